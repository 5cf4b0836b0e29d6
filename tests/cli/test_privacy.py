"""What is taken out of a page that strangers will read, and what stays."""

from __future__ import annotations

from pathlib import Path

import pytest

from colab_resume.cli.doctor.privacy import Privacy

ENV = {
    "USER": "mallory",
    "WANDB_API_KEY": "in the environment",
    "TOKENIZERS_PARALLELISM": "false",
    "OLDPWD": "/mnt/data",
}
HOME = Path("/mnt/users/mallory")
AWS = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@pytest.fixture
def privacy() -> Privacy:
    return Privacy("sftp://account:passphrase@host/runs", ENV, HOME)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("key in the environment refused", "key <hidden> refused"),
        ("cannot list account:passphrase@host/runs", "cannot list <hidden>@host/runs"),
        ("no such user 'account'", "no such user '<hidden>'"),
        ("cannot open s3://AKIA1:s/e/c@bucket/a", "cannot open s3://bucket/a"),
        ("at ftp://mallory@host/a", "at ftp://host/a"),
        ("https://host/a?X-Amz-Signature=ab12&b=c refused", "https://host/a?<hidden> refused"),
        ("https://host/a#access_token=ab", "https://host/a?<hidden>"),
        ("shared with ada.l+x@mail.example.org.", "shared with <mail>."),
        ("'Authorization': 'Bearer ya29.a0AfH6SMB'", "'Authorization': <hidden>"),
        ("Bearer abcdefgh-12 was refused", "Bearer <hidden> was refused"),
        ("login(password='two words')", "login(password=<hidden>)"),
        ("Password: hunter", "Password: <hidden>"),
        ("WANDB_KEY=5 hf_token=abc", "WANDB_KEY=<hidden> hf_token=<hidden>"),
        ('{"refresh_token": "1a b"}', '{"refresh_token": <hidden>}'),
        ("the token: 4/0AY0e-g7", "the token: <hidden>"),
        ("hf_abcdefghij is no token", "<hidden> is no token"),
        ("of AKIAIOSFODNN7EXAMPLE", "of <hidden>"),
        (f"{AWS} is wrong", "<hidden> is wrong"),
        ("run 1aBcDeFgHiJkLmNoPqRsTuVwXyZ_0123456", "run <hidden>"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0.s5-_c", "<hidden>"),
        ("-----BEGIN PRIVATE KEY----- MIIE -----END PRIVATE KEY----- x", "<hidden> x"),
        ("no /mnt/users/mallory/runs, no /home/eve/x, no '/Users/bob'", "no ~/runs, no ~/x, no '~'"),
        ("/data/mallory/runs and file:///home/eve/x", "/data/~/runs and file://~/x"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(privacy: Privacy, text: str, told: str) -> None:
    """By what it stands beside, by its form, by where it is known from."""
    assert privacy.told(text) == told


@pytest.mark.parametrize(
    "text",
    [
        "packs/0000001240-k3f9a2-0.safetensors has 12 bytes instead of 14",
        "/content/drive/MyDrive/colab_resume/digits and /mnt/data/false",
        "Google gives no new access token: these credentials have ended",
        "drive:colab_resume answers in 12 ms; s3://bucket/home/runs as well",
        "the pack has another digest: 0123456789abcdef0123456789abcdef",
        "a_long_name_of_a_run_of_somebody_with_lr_0.001",
        "torch 2.11.0+cu128, COLAB_RELEASE_TAG=release-colab_20261119-060130_RC00",
        "/mnt/users/mallory2 is not at home",
    ],
)
def test_what_helps_stays(privacy: Privacy, text: str) -> None:
    """Names, numbers, places, digests, and sentences about keys."""
    assert privacy.told(text) == text
