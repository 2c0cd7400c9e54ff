"""Patients of which the doctor's rules knew nothing when they were written, and the reverse."""

from collections.abc import Callable

from tests.doctor import blind_healthy as shallow
from tests.doctor import blind_healthy_deep as deep
from tests.doctor import blind_numbers as numbers
from tests.doctor import blind_training as training
from tests.doctor import blind_wiring as wiring
from tests.doctor.case import Case, Patient


def fault(make: Callable[[int, bool], Patient], *accepted: str, layers: str = "") -> Case:
    """Return a fault's case; a layer that is named brings what it holds, and a weight or a bias."""
    return Case(make.__name__, make, frozenset(accepted), frozenset(_inside(make, layers)))


def _inside(make: Callable[[int, bool], Patient], layers: str) -> set[str]:
    """Return the names of all modules and parameters that stand at or below these."""
    if not layers:
        return set()
    model = make(0, True).model
    there = [name for name, _ in [*model.named_modules(), *model.named_parameters()]]
    tops = layers.split()
    return {name for name in there if any(f"{name}.".startswith(f"{top}.") for top in tops)}


FAULTS: tuple[Case, ...] = (
    fault(wiring.context_detached, "no-gradient", layers="source encoder"),
    fault(wiring.gate_by_data, "no-gradient", layers="gate"),
    fault(wiring.head_added_later, "not-in-optimizer", layers="head"),
    fault(wiring.encoder_in_evaluation, "evaluation-mode", layers="encoder"),
    fault(wiring.softmax_over_batch, "examples-mix"),
    fault(wiring.rows_of_channels, "examples-mix"),
    fault(wiring.padding_on_both_sides, "causal-leak"),
    fault(wiring.accumulation_without_end, "gradients-add-up"),
    fault(wiring.schedule_at_its_end, "step-without-effect"),
    fault(numbers.log_of_sigmoid, "not-finite-here"),
    fault(numbers.mask_times_infinity, "not-finite-here", layers="pool"),
    fault(numbers.empty_documents, "not-finite-here", layers="unit"),
    fault(numbers.chain_without_maximum, "not-finite-here"),
    fault(numbers.column_less_row, "loss-broadcast"),
    fault(numbers.taste_in_two_sigmoids, "sigmoid-twice"),
    fault(training.convolution_never_opens, "dead-units", layers="conv2"),
    # A constant is also a wrong initialisation, as in the bank.
    fault(training.convolution_all_alike, "symmetry", "initialization", layers="conv1 conv2 conv3"),
    fault(training.millivolts, "inputs-unscaled", "saturated"),
    fault(training.first_moment_of_150, "memory-in-time", "vanishing", layers="rnn"),
    # Behind weights that are too large tanh saturates, and gradients grow, as in the bank.
    fault(training.tanh_from_std_3, "saturated", "initialization", "exploding"),
    fault(training.tower_too_quiet, "vanishing", "initialization"),
    fault(training.normal_of_one, "exploding", "initialization"),
    fault(training.products_not_divided, "attention-collapsed", layers="attention"),
    fault(training.adam_at_three, "rate-too-high"),
    fault(training.segments_at_full_speed, "rate-too-high"),
    fault(training.adamw_asleep, "rate-too-low"),
    fault(training.decay_of_ten, "decay-too-strong"),
    # A smaller rate would cure it too, and who sums has the rate of a sum to find.
    fault(training.sum_over_512, "reduction-sum", "rate-too-high"),
    fault(training.one_column_in_millions, "inputs-unscaled"),
    fault(training.three_units_of_measure, "targets-unscaled"),
)

HEALTHY: tuple[Case, ...] = tuple(
    Case(make.__name__, make)
    for make in (
        *(shallow.graph_of_papers, shallow.variational_digits, shallow.denoiser),
        *(shallow.pictures_and_words, shallow.three_heads, shallow.q_learning),
        *(shallow.own_latent, shallow.equation, shallow.quantiles_of_prices),
        *(deep.translator, deep.one_layer_four_times, deep.forty_blocks),
        *(deep.fine_tuning, deep.time_in_front),
    )
)

BLIND: tuple[Case, ...] = FAULTS + HEALTHY
