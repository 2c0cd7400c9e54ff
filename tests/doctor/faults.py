"""The bank's faults: which names of findings are right for each, and where it sits."""

from collections.abc import Callable

from tests.doctor import faults_examples as examples
from tests.doctor import faults_late as late
from tests.doctor import faults_numbers as numbers
from tests.doctor import faults_outputs as outputs
from tests.doctor import faults_scale as scale
from tests.doctor import faults_steps as steps
from tests.doctor import faults_wiring as wiring
from tests.doctor.case import Case, Patient


def fault(
    make: Callable[[int, bool], Patient],
    *accepted: str,
    layers: str = "",
    name: str = "",
    source: str = "",
) -> Case:
    """Return the case of a maker, under its own name unless clinic.md's is no Python name."""
    places = frozenset(layers.split())
    return Case(name or make.__name__, make, frozenset(accepted), places, source)


FAULTS: tuple[Case, ...] = (
    fault(numbers.nan_input, "input-not-finite"),
    fault(numbers.nan_weight, "parameter-not-finite", layers="4 4.weight"),
    fault(numbers.log_zero, "not-finite-here"),
    fault(numbers.sqrt_zero_backward, "not-finite-here"),
    fault(numbers.div_zero_std, "not-finite-here", layers="0"),
    fault(numbers.exp_overflow_fp16, "not-finite-here"),
    fault(
        wiring.detached_middle,
        "no-gradient",
        layers="features features.0 features.1 features.4 features.5 features.0.weight "
        "features.0.bias features.1.weight features.1.bias features.4.weight features.4.bias "
        "features.5.weight features.5.bias",
    ),
    fault(
        wiring.no_grad_block,
        "no-gradient",
        layers="encoder encoder.weight_ih_l0 encoder.weight_hh_l0 encoder.bias_ih_l0 "
        "encoder.bias_hh_l0",
    ),
    # With the number in the loss's place no parameter gets a gradient, and the step does nothing.
    fault(wiring.item_in_loss, "loss-detached", "no-gradient", "step-without-effect"),
    fault(wiring.unused_layer, "never-called", layers="fc2 fc2.weight fc2.bias"),
    fault(wiring.module_in_python_list, "not-in-model"),
    fault(
        wiring.optimizer_misses_head,
        "not-in-optimizer",
        layers="head head.0 head.2 head.0.weight head.0.bias head.2.weight head.2.bias",
    ),
    fault(
        wiring.optimizer_stale_after_replace,
        "optimizer-stale",
        "not-in-optimizer",
        layers="fc fc.weight fc.bias",
    ),
    fault(wiring.all_frozen, "nothing-to-train"),
    fault(outputs.loss_vector, "loss-not-scalar"),
    fault(outputs.mse_broadcast, "loss-broadcast"),
    fault(outputs.labels_from_one, "label-out-of-range"),
    fault(outputs.labels_div_255, "labels-all-equal", source="Stack Overflow 59325381"),
    fault(outputs.softmax_twice, "softmax-twice"),
    fault(outputs.nll_on_logits, "nll-on-logits"),
    fault(outputs.sigmoid_bce_logits, "sigmoid-twice"),
    fault(outputs.softmax_one_unit, "softmax-one-unit", source="Stack Overflow 31880720"),
    fault(outputs.relu_output, "output-range", source="Stack Overflow 48251943"),
    fault(outputs.sigmoid_unbounded_target, "output-range", source="Stack Overflow 48221692"),
    fault(
        outputs.one_output_three_classes, "target-out-of-range", source="Stack Overflow 50079585"
    ),
    fault(examples.bn_batch_one, "norm-one-value", layers="1 4"),
    fault(examples.batch_mixing_view, "examples-mix"),
    fault(examples.transposed_batch_time, "examples-mix"),
    fault(examples.causal_leak, "causal-leak"),
    # A constant is also a wrong initialisation: the cure is the same.
    fault(examples.zero_init_all, "symmetry", "initialization"),
    fault(examples.constant_init, "symmetry", "initialization"),
    fault(steps.zero_grad_missing, "gradients-add-up"),
    fault(steps.step_missing, "step-without-effect"),
    fault(steps.step_before_backward, "step-before-backward", "step-without-effect"),
    fault(steps.eval_forgotten, "evaluation-mode"),
    # What vanishes or explodes does so because chi is off 1; either is right.
    fault(scale.sigmoid_deep, "vanishing", "initialization"),
    # With tanh, weights of this scale saturate units and let gradients explode (chi > 1).
    fault(scale.tanh_scale_8, "saturated", "initialization", "exploding"),
    fault(scale.relu_default_50, "vanishing", "initialization"),
    fault(scale.relu_he_x20, "exploding", "initialization"),
    fault(scale.dead_bias_50, "dead-units", layers="2 2.bias 3", name="dead_bias_-50"),
    fault(scale.lr_100, "rate-too-high"),
    fault(scale.adam_lr_1, "rate-too-high"),
    fault(scale.lr_1e_9, "rate-too-low", name="lr_1e-9"),
    fault(scale.inputs_0_255, "inputs-unscaled", source="Stack Overflow 55328966"),
    fault(
        scale.rnn_t200,
        "memory-in-time",
        "vanishing",
        layers="rnn rnn.weight_hh_l0",
        name="rnn_T200",
    ),
    fault(scale.adam_eps_1, "adam-eps"),
    fault(late.half_precision, "float16-underflow"),
    fault(late.clipped_to_nothing, "clipping-always-on"),
    fault(late.dropout_of_97, "dropout-too-strong", layers="2 5"),
)
