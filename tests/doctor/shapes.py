"""The 63 shapes of model on which a tool for any network is tried, and what it must see of each."""

from tests.doctor import shapes_images as images
from tests.doctor import shapes_plain as plain
from tests.doctor import shapes_sequences as sequences
from tests.doctor import shapes_torch as special
from tests.doctor.shapes_making import Maker

SHAPES: dict[str, Maker] = {
    make.__name__: make
    for make in (
        plain.mlp,
        plain.mlp_inplace_relu,
        images.cnn_bn,
        images.resnet18,
        images.vgg16_no_bn,
        images.vit,
        images.densenet121,
        images.inception_aux_tuple,
        sequences.gpt2,
        sequences.gpt2_own_loss_dict_batch,
        sequences.bert_cls,
        sequences.lstm_stack,
        sequences.gru_stack,
        sequences.rnn_stack,
        sequences.lstm_only_tuple,
        sequences.mha,
        sequences.transformer_encoder_emb,
        sequences.transformer_encoder_eval,
        sequences.embedding_bag_mean,
        sequences.weight_tying,
        plain.tuple_out,
        plain.dict_out,
        plain.loss_dict,
        plain.loss_shape1,
        plain.dropout_net,
        special.checkpoint_nonreentrant,
        special.checkpoint_reentrant,
        plain.frozen_first,
        plain.frozen_all,
        plain.detached_middle,
        special.complex_net,
        special.half_net,
        special.bf16_net,
        special.autocast_loss,
        plain.nan_input,
        plain.nan_layer2,
        special.dataparallel,
        special.compiled,
        special.compiled_warm,
        special.compiled_aot,
        special.meta,
        plain.reused_twice,
        special.weight_norm_param,
        special.spectral_norm_param,
        special.old_weight_norm,
        plain.gan_critic_gp,
        images.unet,
        special.quantised,
        special.lazy,
        plain.integer_input_linear,
        plain.raw_parameter_net,
        plain.kwargs_two_inputs,
        plain.bilinear_two_inputs,
        plain.scalar_output,
        plain.mse_broadcast,
        plain.batch1_bn,
        special.user_hooks_inplace,
        special.inplace_after_view,
        plain.norm_weights_only,
        plain.conv1d_nobatch_dim,
        special.jit_script,
        plain.no_grad_inside,
        plain.moe_unused_expert,
    )
}

# What no gradient can be had of, or no number: a word that the refusal must contain.
REFUSED: dict[str, str] = {
    "meta": "meta",
    "quantised": "quantised",
    "lazy": "lazy",
    "jit_script": "TorchScript",
}

# Parameters of two or more dimensions that the forward pass uses, and all that there are; a tied
# one counts once, and a normed weight as what it is made of: direction and size (out, 1).
MATRICES: dict[str, tuple[int, int]] = {
    "mlp": (3, 3),
    "mlp_inplace_relu": (3, 3),
    "cnn_bn": (3, 3),
    # The stem, 8 blocks of 2, 3 on the shortcuts, the head.
    "resnet18": (1 + 16 + 3 + 1, 21),
    "vgg16_no_bn": (13 + 3, 16),
    # Patches, class token, places, 3 blocks of 4, the head.
    "vit": (3 + 12 + 1, 16),
    # The stem, 58 layers of 2, 3 transitions, the head.
    "densenet121": (1 + 116 + 3 + 1, 121),
    # The stem, 2 blocks of 4, 2 in the auxiliary head, the head.
    "inception_aux_tuple": (1 + 8 + 2 + 1, 12),
    # Words (with the head), places, 2 blocks of 4.
    "gpt2": (2 + 8, 10),
    "gpt2_own_loss_dict_batch": (2 + 8, 10),
    # 3 embeddings, 2 layers of 6, pooler, classifier.
    "bert_cls": (3 + 12 + 2, 17),
    "lstm_stack": (4 + 1, 5),
    "gru_stack": (4 + 1, 5),
    "rnn_stack": (4 + 1, 5),
    "lstm_only_tuple": (2, 2),
    # Packed: 2; with q, k and v apart: 4; the head.
    "mha": (2 + 4 + 1, 7),
    "transformer_encoder_emb": (1 + 12 + 1, 14),
    "transformer_encoder_eval": (1 + 12 + 1, 14),
    "embedding_bag_mean": (2, 2),
    "weight_tying": (2, 2),
    "tuple_out": (3, 3),
    "dict_out": (3, 3),
    "loss_dict": (3, 3),
    "loss_shape1": (3, 3),
    "dropout_net": (3, 3),
    "checkpoint_nonreentrant": (4, 4),
    "checkpoint_reentrant": (4, 4),
    "frozen_first": (3, 3),
    "frozen_all": (3, 3),
    "detached_middle": (3, 3),
    "complex_net": (2, 2),
    "half_net": (3, 3),
    "bf16_net": (3, 3),
    "autocast_loss": (3, 3),
    "nan_input": (3, 3),
    "nan_layer2": (3, 3),
    "dataparallel": (3, 3),
    "compiled": (3, 3),
    "compiled_warm": (3, 3),
    "compiled_aot": (3, 3),
    "reused_twice": (3, 3),
    "weight_norm_param": (2 + 2 + 1, 5),
    "spectral_norm_param": (3, 3),
    "old_weight_norm": (2 + 2 + 1, 5),
    "gan_critic_gp": (2, 2),
    # 5 doubles, 2 transposed convolutions, the last.
    "unet": (10 + 2 + 1, 13),
    "integer_input_linear": (3, 3),
    "raw_parameter_net": (4, 4),
    "kwargs_two_inputs": (3, 3),
    "bilinear_two_inputs": (2, 2),
    "scalar_output": (2, 2),
    "mse_broadcast": (2, 2),
    # The norm stops the pass behind the first layer.
    "batch1_bn": (1, 2),
    "user_hooks_inplace": (3, 3),
    "inplace_after_view": (2, 2),
    "norm_weights_only": (0, 0),
    "conv1d_nobatch_dim": (2, 2),
    "no_grad_inside": (3, 3),
    # Router, head, and 2 of each expert, of whom the last is never called.
    "moe_unused_expert": (2 + 6, 2 + 8),
}

# The names of those that the forward pass does not use.
UNSEEN: dict[str, tuple[str, ...]] = {
    "batch1_bn": ("3.weight",),
    "moe_unused_expert": ("experts.3.0.weight", "experts.3.2.weight"),
}

# What torch itself says where a plain step (forward, loss, backward) does not get through.
STEP_FAILS: dict[str, str] = {
    "frozen_all": "does not require grad",
    "quantised": "does not require grad",
    "batch1_bn": "value per channel",
}
