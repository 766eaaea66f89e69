"""PyTorch modules: which learning rate works for them, and why. PyTorch itself is imported by the first call."""

from steepest.torch.door import diagnose
from steepest.torch.result import ModuleDiagnosis, ModuleTrial, Recommendation

__all__ = ["ModuleDiagnosis", "ModuleTrial", "Recommendation", "diagnose"]
