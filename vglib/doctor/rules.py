"""What the doctor can find, as data: how sure it is, in what order, why, the cure, the chapter."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

Certainty = Literal["broken", "likely", "note"]
DOCUMENTED = "torch's documentation"


@dataclass(frozen=True)
class Rule:
    """One kind of finding.

    `why` says what theory or torch does with such a net; `cure` is a line or two of code, in which
    {layer} is the place and other names what the evidence knows; `chapter` is where the course
    teaches it and `source` who said it first. Rules stand in the order in which causes count: the
    symptoms of an earlier one are folded into it.
    """

    certainty: Certainty
    why: str
    cure: str
    chapter: str
    source: str = DOCUMENTED


@dataclass(frozen=True)
class Finding:
    """One thing that was found: where, the number, and what it is held against.

    `seen` is one sentence with its numbers; `number` the one that decides, `bound` what it is
    compared with; `layer` is a module's or a parameter's name, "" where it has no place.
    """

    name: str
    certainty: Certainty
    layer: str
    seen: str
    number: float
    bound: float
    why: str
    cure: str
    chapter: str
    source: str

    def __str__(self) -> str:
        place = f" at {self.layer}" if self.layer else ""
        return f"{self.name}{place} ({self.certainty}): {self.seen}"


def finding(
    name: str,
    seen: str,
    layer: str = "",
    number: float = 1.0,
    bound: float = 0.0,
    certainty: Certainty | None = None,
    **details: Any,
) -> Finding:
    """Make a finding of what was seen and what its rule says."""
    rule = RULES[name]
    return Finding(
        name=name,
        certainty=certainty or rule.certainty,
        layer=layer,
        seen=seen,
        number=float(number),
        bound=float(bound),
        why=rule.why,
        cure=rule.cure.format(layer=layer or "layer", **details),
        chapter=rule.chapter,
        source=rule.source,
    )


_RULES = {
    # What is not finite spoils every later number.
    "input-not-finite": Rule(
        "broken",
        "One nan in a batch makes the loss nan, and after one step every weight.",
        "x = torch.nan_to_num(x)  # better: find where the data lost its numbers\n"
        "assert torch.isfinite(x).all()",
        "05",
    ),
    "parameter-not-finite": Rule(
        "broken",
        "A weight that is nan or infinite stays so: no step brings it back.",
        "# start again from weights saved before, with a smaller rate\n"
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)",
        "09",
    ),
    "not-finite-here": Rule(
        "broken",
        "Here all that goes in is finite and what comes out is not; everything after it"
        " inherits that.",
        "eps = 1e-6\n{repair}",
        "05",
    ),
    # What torch cannot take, or takes for something else.
    "label-out-of-range": Rule(
        "broken",
        "Cross-entropy takes labels 0 ... K - 1 for K outputs.",
        "y = y - y.min()  # if the labels begin at 1\n"
        "model.{layer} = nn.Linear(in_features, int(y.max()) + 1)  # if outputs are missing",
        "01",
    ),
    "target-out-of-range": Rule(
        "broken",
        "Binary cross-entropy is bounded below for targets in [0, 1] alone; beyond, it falls"
        " for ever.",
        "y = y / y.max()  # or, for more than two classes:\nloss_fn = nn.CrossEntropyLoss()",
        "01",
    ),
    "norm-one-value": Rule(
        "broken",
        "The mean of one value is that value, so what is normalised is exactly 0, whatever"
        " came in.",
        "loader = DataLoader(data, batch_size=32, drop_last=True)\n"
        "# or nn.GroupNorm / nn.LayerNorm, which do not need a batch",
        "06",
        "Ioffe & Szegedy 2015, algorithm 1",
    ),
    "loss-not-scalar": Rule(
        "broken",
        "backward() starts from one number.",
        "loss = loss.mean()",
        "02",
    ),
    "loss-broadcast": Rule(
        "broken",
        "Each prediction is compared with every target, so the best answer is their mean.",
        "output = output.squeeze(-1)  # or\ny = y.reshape(output.shape)",
        "01",
    ),
    "loss-detached": Rule(
        "broken",
        "The loss has no graph: backward() has nothing to go through.",
        "loss = loss_fn(output, y)  # no .item(), .detach(), .numpy() or no_grad on the way\n"
        "loss.backward()",
        "02",
    ),
    "nothing-to-train": Rule(
        "broken",
        "No parameter asks for a gradient.",
        "for p in model.parameters():\n    p.requires_grad_(True)",
        "02",
    ),
    # What the loss is fed.
    "softmax-one-unit": Rule(
        "broken",
        "A softmax over one number is 1, whatever the number is, and its gradient exactly 0.",
        "loss_fn = nn.BCEWithLogitsLoss()  # one output, no softmax\n"
        "# or two outputs and nn.CrossEntropyLoss()",
        "01",
    ),
    "softmax-twice": Rule(
        "broken",
        "Cross-entropy has its own softmax. Of probabilities it makes nearly equal ones"
        " again: the loss"
        " cannot fall below ln(1 + (K - 1)/e), and the gradient is squeezed twice.",
        "# return the logits, without softmax or sigmoid at the end\nloss_fn ="
        " nn.CrossEntropyLoss()",
        "03",
    ),
    "sigmoid-twice": Rule(
        "broken",
        "BCE-with-logits has its own sigmoid: of numbers in (0, 1) it makes 0.5 to 0.73.",
        "# return the logits, without the sigmoid\nloss_fn = nn.BCEWithLogitsLoss()",
        "03",
    ),
    "nll-on-logits": Rule(
        "broken",
        "NLL takes log-probabilities and only picks one of them; of plain outputs it can be"
        " made as low"
        " as one likes by making all of them large.",
        "loss_fn = nn.CrossEntropyLoss()  # takes the outputs as they are\n"
        "# or end with F.log_softmax(output, dim=1)",
        "01",
    ),
    "bce-on-logits": Rule(
        "broken",
        "Binary cross-entropy takes probabilities; outside (0, 1) its logarithm does not exist.",
        "loss_fn = nn.BCEWithLogitsLoss()  # takes the outputs as they are",
        "03",
    ),
    "output-range": Rule(
        "broken",
        "The last nonlinearity cannot give what the targets ask for, and where it is cut off its"
        " gradient is 0.",
        "# end with a linear layer, no {kind} after it\n# or scale the targets into its range",
        "03",
    ),
    # How the training is put together.
    "step-before-backward": Rule(
        "broken",
        "The optimiser steps with the gradient of the batch before, or with none.",
        "optimizer.zero_grad(); loss.backward()\noptimizer.step()",
        "01",
    ),
    "gradients-add-up": Rule(
        "broken",
        "backward() adds to .grad. Without zero_grad each step follows the sum of all"
        " gradients since"
        " the start: a momentum of 1, which never forgets.",
        "optimizer.zero_grad()\nloss.backward()",
        "09",
    ),
    "step-without-effect": Rule(
        "broken",
        "No parameter moves in a whole step of the training.",
        "loss.backward()\noptimizer.step()",
        "01",
    ),
    "step-of-another": Rule(
        "broken",
        "The step moves a network that is not the one it is given.",
        "def step(model, optimizer, batch):  # use these three alone\n    ...",
        "01",
    ),
    "optimizer-stale": Rule(
        "broken",
        "The optimiser moves tensors that are no longer in the model.",
        "# make the optimiser after the last change of the model\n{made}",
        "10",
    ),
    "not-in-model": Rule(
        "broken",
        "Modules in a plain list are not registered: parameters() does not give them, so"
        " nothing trains"
        " them, moves them to a device or saves them.",
        "self.layers = nn.ModuleList(layers)  # or nn.ParameterList for bare tensors",
        "10",
    ),
    "not-in-optimizer": Rule(
        "broken",
        "It gets a gradient, and nobody takes the step.",
        "{made}",
        "10",
    ),
    "no-gradient": Rule(
        "broken",
        "It asks for a gradient, it was used, and none came back: the graph is cut behind it.",
        "# take away .detach(), .data, .item() or torch.no_grad() after {layer}",
        "02",
    ),
    "evaluation-mode": Rule(
        "broken",
        "In evaluation mode dropout is off and batch norm uses averages that no longer follow.",
        "model.train()  # before the steps; model.eval() for measuring",
        "06",
    ),
    "examples-mix": Rule(
        "broken",
        "One example's answer depends on the others in its batch: a dimension has been taken for"
        " another.",
        "# {operation}: which dimension is the batch? nn.LSTM, nn.MultiheadAttention and\n"
        "# nn.TransformerEncoderLayer take batch_first=True; x.flatten(1) keeps the batch",
        "08",
    ),
    "causal-leak": Rule(
        "broken",
        "The answer at a place depends on later places, among which is the target itself.",
        "mask = nn.Transformer.generate_square_subsequent_mask(T)\n"
        "# or is_causal=True in scaled_dot_product_attention",
        "12",
    ),
    "tied-weight-untied": Rule(
        "broken",
        "The model says that these two are one weight, and they are two.",
        "model.tie_weights()  # after loading, or: head.weight = embedding.weight",
        "12",
    ),
    "symmetry": Rule(
        "broken",
        "Units that start equal get equal gradients, so they stay equal: the layer is as good"
        " as one"
        " unit.",
        "torch.nn.init.kaiming_normal_(model.{parameter})  # random, not constant",
        "05",
        "Goodfellow, Bengio & Courville 2016, section 8.4",
    ),
    "output-ignores-input": Rule(
        "broken",
        "No path leads from the input to the output: every example gets the same answer.",
        "# follow x through forward(): where is it replaced or left out?",
        "02",
    ),
    "labels-all-equal": Rule(
        "likely",
        "With one label for all there is nothing to tell apart; a constant is the perfect answer.",
        "print(y.unique())  # were the labels divided, cast, or the data not shuffled?\n"
        "loader = DataLoader(data, shuffle=True)",
        "01",
    ),
    # What theory says of signal and gradient.
    "targets-unscaled": Rule(
        "likely",
        "The outputs of a fresh net are of order 1; targets of another order make loss and gradient"
        " huge, and the rate wrong by their square.",
        "y = (y - y.mean()) / y.std()  # and undo it after predicting",
        "03",
        "LeCun et al. 1998, Efficient BackProp",
    ),
    "inputs-unscaled": Rule(
        "likely",
        "A first layer's gradient is proportional to its input, and its curvature to the"
        " square of it.",
        "x = (x - x.mean(0)) / (x.std(0) + 1e-8)  # of the training data",
        "03",
        "LeCun et al. 1998, Efficient BackProp",
    ),
    "reduction-sum": Rule(
        "likely",
        "A loss summed over the batch makes the gradient, and so the step, as many times larger as"
        " there are examples.",
        "loss_fn = {loss}(reduction='mean')",
        "09",
    ),
    "adam-eps": Rule(
        "likely",
        "Adam divides by eps + sqrt(v). An eps above sqrt(v) takes the adapting away: what is"
        " left is"
        " gradient descent at lr / eps.",
        "{made}",
        "10",
        "Kingma & Ba 2015, algorithm 1",
    ),
    "decay-too-strong": Rule(
        "likely",
        "The decay pulls the weights to 0 harder than the loss pulls them anywhere.",
        "{made}",
        "09",
    ),
    "dropout-too-strong": Rule(
        "likely",
        "Dropout at rate p multiplies the noise of a signal's square by 1 / (1 - p).",
        "model.{layer}.p = 0.2",
        "10",
        "Srivastava et al. 2014",
    ),
    "float16-underflow": Rule(
        "likely",
        "Below 6e-8 float16 has no numbers but 0, so small gradients are lost.",
        "scaler = torch.amp.GradScaler()\nscaler.scale(loss).backward(); scaler.step(optimizer)",
        "12",
        "Micikevicius et al. 2018, Mixed precision training",
    ),
    "attention-collapsed": Rule(
        "likely",
        "A softmax whose logits are far apart picks one key, and its gradient is nearly 0.",
        "scores = q @ k.transpose(-2, -1) / q.shape[-1] ** 0.5",
        "12",
        "Vaswani et al. 2017, section 3.2.1",
    ),
    "dead-units": Rule(
        "likely",
        "A ReLU unit that is 0 for every example has slope 0 for every example: no step"
        " revives it.",
        "nn.init.kaiming_normal_(model.{weight}, nonlinearity='relu')\n"
        "# and biases at 0, a smaller rate, or nn.LeakyReLU()",
        "04",
        "Lu et al. 2019, Dying ReLU and initialization",
    ),
    "saturated": Rule(
        "likely",
        "Where a sigmoid or tanh is flat its slope is nearly 0, and each such layer multiplies the"
        " gradient by it.",
        "nn.init.xavier_normal_(model.{weight})\n# and inputs of order 1, or nn.ReLU()",
        "03",
        "Glorot & Bengio 2010",
    ),
    "memory-in-time": Rule(
        "likely",
        "The gradient through time is a product of one factor a step; below 1 it forgets within"
        " xi = 1 / |ln factor| steps.",
        "{advice}",
        "08",
        "Hochreiter 1991; Bengio, Simard & Frasconi 1994",
    ),
    "exploding": Rule(
        "likely",
        "Each layer multiplies the gradient's square by chi; above 1 it grows like chi to the"
        " depth.",
        "{init}\n# for every hidden layer: chi = sigma_w^2 E phi'(z)^2 = 1",
        "05",
        "Schoenholz et al. 2017, Deep information propagation",
    ),
    "vanishing": Rule(
        "likely",
        "Each layer multiplies the gradient's square by chi; below 1 it falls like chi to the"
        " depth.",
        "{init}\n# for every hidden layer: chi = sigma_w^2 E phi'(z)^2 = 1",
        "05",
        "Schoenholz et al. 2017, Deep information propagation",
    ),
    "rank-collapse": Rule(
        "likely",
        "All examples have become the same vector, so no layer after it can tell them apart.",
        "{init}\n# or a skip connection: h = h + block(h)",
        "05",
        "Schoenholz et al. 2017; Dong et al. 2021",
    ),
    "initialization": Rule(
        "likely",
        "The weights start far from the scale at which signal and gradient keep their size.",
        "{init}",
        "05",
        "Glorot & Bengio 2010; He et al. 2015",
    ),
    "loss-at-start": Rule(
        "likely",
        "A net that knows nothing should be about as good as the best constant answer; one"
        " far worse"
        " is sure of what it does not know.",
        "nn.init.zeros_(model.{layer}.bias)\nmodel.{layer}.weight.data.mul_(0.1)",
        "05",
    ),
    "maximizing": Rule(
        "likely",
        "With maximize=True the optimiser climbs: it makes the loss as large as it can.",
        "{made}",
        "01",
    ),
    "rate-too-high": Rule(
        "likely",
        "A step longer than 2 / curvature lands higher on the other side.",
        "{made}",
        "09",
    ),
    "rate-too-low": Rule(
        "likely",
        "Each step moves the weights by so little that no patience is enough.",
        "{made}",
        "10",
    ),
    "clipping-always-on": Rule(
        "likely",
        "Clipping that acts at every step sets the length of the step: it is a rate of its own.",
        "torch.nn.utils.clip_grad_norm_(model.parameters(), {norm:.2g})",
        "09",
        "Zhang et al. 2020, Why gradient clipping accelerates training",
    ),
    "constant-answer": Rule(
        "likely",
        "After training every example gets the same answer, the best constant.",
        "# which layer's signal no longer depends on the input? see the figure",
        "05",
    ),
    "no-nonlinearity": Rule(
        "note",
        "Two matrices in a row are one matrix.",
        "# put an activation between them, if none was meant to be left out",
        "04",
    ),
    "never-called": Rule(
        "note",
        "It is in the model, and the forward pass does not use it.",
        "# call self.{layer} in forward(), or take it out",
        "02",
    ),
}
RULES: Mapping[str, Rule] = MappingProxyType(_RULES)
RANK: Mapping[str, int] = MappingProxyType({name: rank for rank, name in enumerate(_RULES)})
