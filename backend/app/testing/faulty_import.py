"""A plugin whose import can be held up or made to fail: see app.testing.faults.ImportGate. Harmless by default."""

from app.testing.faults import IMPORT_GATE, FaultIntegration

IMPORT_GATE.pass_through()


class FaultyImportIntegration(FaultIntegration):
    """Like its base, once it could be imported."""
