"""The prototype's protocol beside the right one, on the same data: where its numbers came from."""

from __future__ import annotations

from ulna.training.audit.protocol import AuditPlan, audit
from ulna.training.audit.steps import AuditResult, AuditStep

__all__ = ["AuditPlan", "AuditResult", "AuditStep", "audit"]
