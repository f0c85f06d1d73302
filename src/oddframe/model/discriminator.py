"""A linear reading of the joint codes that tells what was made abnormal; training has it, the network has not."""

from torch import Tensor, nn

__all__ = ["Discriminator"]


class Discriminator(nn.Module):
    """Logistic regression on joint codes, whose gradient reaches the encoders.

    Not in the paper. Repelling codes from the centres works only where something in a code says that its place is
    abnormal. To learn that from the distance alone takes long, and not every training gets there.

    Args:
        width: Length D of a joint code.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.reading = nn.Linear(width, 1)
        for parameter in self.reading.parameters():
            nn.init.zeros_(parameter)

    def forward(self, joint: Tensor) -> Tensor:
        """How abnormal every place reads, log-odds of shape B x P, from normalised joint codes B x P x D."""
        logits: Tensor = self.reading(joint * joint.shape[2] ** 0.5).squeeze(2)
        return logits

    def losses(self, joint: Tensor, as_filmed: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of each place as filmed, N, and of each place made abnormal, M.

        Args:
            joint: B x P x D.
            as_filmed: Which of the B P places are as filmed, bool B P.
            made: Which of them were made abnormal; those that are neither have no loss.
        """
        logits = self(joint).flatten()
        return nn.functional.softplus(logits[as_filmed]), nn.functional.softplus(-logits[made])
