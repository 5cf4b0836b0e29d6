"""The state at one boundary, copied while the next step computes: staging, the plan, who may be late, the copying."""
