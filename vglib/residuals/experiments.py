"""What the text of chapter 07 measures in its own cells."""

from vglib.residuals.descent import CURES, RACERS, cured, degradation, train_deep
from vglib.residuals.flow import flow
from vglib.residuals.growth import power_law
from vglib.residuals.rezero import RATES, STARTS, loss_after
from vglib.residuals.shattering import gradient_correlation, shattered
from vglib.residuals.shortcuts import head_accuracies
