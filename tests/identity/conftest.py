from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine's pauses are no failures of what is tested.
settings.register_profile("stockade", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("stockade")
