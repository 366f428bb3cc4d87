"""The prototype's protocol and the correct one on the same data: the sources of its figures."""

from __future__ import annotations

from ulna.training.audit.protocol import AuditPlan, audit
from ulna.training.audit.steps import AuditResult, AuditStep

__all__ = ["AuditPlan", "AuditResult", "AuditStep", "audit"]
