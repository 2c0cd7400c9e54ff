"""Field cases: what people asked about on Stack Overflow, rebuilt small, with its repaired twin.

The numbers are questions whose Keras programs are in published benchmarks (Wardat 2021,
DeepLocalize; Cao 2022, DeepFD). What was a Keras name there is here what PyTorch does with it; the
data are drawn alike. Where the program was not at hand, the shape is that of its group: 42800203,
46642627, 46995209, 47932589, 37624102, 44998910, 51181393, 41600519, 39810655, 37213388.
"""

from tests.doctor import field_outputs as outputs
from tests.doctor import field_scales as scales
from tests.doctor.case import Case
from tests.doctor.training import case

EITHER_SCALE = ("inputs-unscaled", "targets-unscaled")

# A question is one case; a set names whatever is right, first what the answer on the page says.
FIELD: tuple[Case, ...] = (
    case(outputs.softmax_binary, "softmax-one-unit", source="31880720"),
    case(outputs.softmax_regression, "softmax-one-unit", source="33969059"),
    case(outputs.softmax_xor, "softmax-one-unit", source="34311586"),
    case(outputs.softmax_pictures, "softmax-one-unit", source="42800203"),
    case(outputs.softmax_one_feature, "softmax-one-unit", source="45442843"),
    case(outputs.softmax_each_step, "softmax-one-unit", source="45337371"),
    case(outputs.cross_entropy_one_output, "softmax-one-unit", source="39810655"),
    case(outputs.labels_over_255, "labels-all-equal", "constant-answer", source="59325381"),
    case(outputs.relu_output, "output-range", "dead-units", source="48251943"),
    case(outputs.relu_then_log, "not-finite-here", "output-range", source="47352366"),
    case(outputs.sigmoid_unbounded, "output-range", source="48221692"),
    case(
        *(outputs.one_output_three_classes, "target-out-of-range", "output-range"),
        source="50079585",
    ),
    case(outputs.bce_for_regression, "target-out-of-range", source="41600519"),
    case(scales.pixels, "inputs-unscaled", source="55328966"),
    case(scales.raw_features, "inputs-unscaled", source="39525358"),
    case(scales.raw_packets, "inputs-unscaled", source="44066044"),
    case(scales.raw_both, *EITHER_SCALE, source="46642627"),
    case(scales.raw_prices, "targets-unscaled", source="46995209"),
    case(scales.raw_census, "inputs-unscaled", source="47724077"),
    case(scales.raw_series, *EITHER_SCALE, source="47932589"),
    case(scales.raw_parabola, *EITHER_SCALE, source="52800582"),
    case(outputs.sigmoid_then_softmax, "softmax-twice", "inputs-unscaled", source="59278771"),
    case(
        *(scales.huge_numbers, "inputs-unscaled", "saturated", "output-ignores-input"),
        source="58609115",
    ),
    case(scales.rate_parabola, "rate-too-high", "targets-unscaled", source="48934338"),
    case(scales.rate_pictures, "rate-too-high", source="37624102"),
    case(scales.rate_tiny, "rate-too-low", source="44998910"),
    case(scales.rate_line, "rate-too-high", *EITHER_SCALE, source="51181393"),
    case(
        *(scales.no_activation, "rate-too-high", "initialization", "no-nonlinearity"),
        source="48385830",
    ),
    case(scales.few_epochs_pictures, source="48594888"),
    case(scales.few_epochs_autoencoder, source="37213388"),
    case(scales.waves_apart, source="41372874"),
)
