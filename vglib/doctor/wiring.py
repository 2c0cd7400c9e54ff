"""What is exact without a threshold: who is in the model, in the graph, in the optimiser."""

import inspect
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from vglib.doctor.examination import Examination
from vglib.doctor.look import Look
from vglib.doctor.operators import Call
from vglib.doctor.patient import tensors
from vglib.doctor.rules import Finding, finding
from vglib.doctor.steps import BatchNorm, Dropout
from vglib.words import number


def strangers(exam: Examination) -> Iterator[Finding]:
    """Find trainable tensors of the forward pass that `parameters()` does not give."""
    # What the optimiser holds is trained, wherever it lives.
    unknown = [pair for pair in exam.seen.strangers if id(pair[1]) not in held_by(exam)]
    if not unknown:
        return
    place, tensor = unknown[0]
    name = _in_a_list(exam.patient.model, tensor) or place
    count = len(unknown)
    said = f"{count} trainable tensors go into the forward pass that parameters() does not give"
    yield finding("not-in-model", f"{said}.", name, number=count)


def held_by(exam: Examination) -> set[int]:
    """Return the ids of what the optimiser holds."""
    optimizer = exam.patient.optimizer
    groups = [] if optimizer is None else optimizer.param_groups
    return {id(p) for group in groups for p in group["params"]}


def _in_a_list(model: nn.Module, tensor: Tensor) -> str:
    """Return the attribute that hides a tensor: a list or mapping of modules or tensors."""
    for owner, module in model.named_modules():
        for attribute, value in vars(module).items():
            parts = list(value.values()) if isinstance(value, dict) else value
            if attribute.startswith("_") or not isinstance(parts, list | tuple):
                continue
            for part in parts:
                inside = part.parameters() if isinstance(part, nn.Module) else [part]
                if any(p is tensor for p in inside):
                    return f"{owner}.{attribute}".lstrip(".")
    return ""


def membership(exam: Examination, trained: dict[str, nn.Parameter]) -> Iterator[Finding]:
    """Compare what the optimiser holds with what gets a gradient."""
    optimizer, seen = exam.patient.optimizer, exam.seen
    if optimizer is None:
        return
    held = held_by(exam)
    own = {id(p): n for n, p in exam.patient.model.named_parameters()}
    missing = [n for n, p in trained.items() if id(p) not in held and n in seen.gradients]
    if not missing:
        return
    known = {id(tensor) for _, tensor in seen.strangers}
    loss_fn = exam.patient.loss_fn
    if isinstance(loss_fn, nn.Module):
        known |= {id(p) for p in loss_fn.parameters()}
    stale = held - set(own) - known
    sure = not _left_out_on_purpose(exam, missing, held)
    made = remade(optimizer)
    if stale and sure:
        place = missing[0].rpartition(".")[0] or missing[0]
        said = f"{len(stale)} tensors of the optimiser are not in the model"
        said = f"{said}, and it lacks {len(missing)} that are"
        yield finding("optimizer-stale", f"{said}.", place, number=len(stale), made=made)
        return
    place = missing[-1].rpartition(".")[0] or missing[-1]
    some = ", ".join(missing[:3]) + (" and others" if len(missing) > 3 else "")
    said = f"{some} get a gradient and are not in the optimiser"
    one = finding("not-in-optimizer", f"{said}.", place, number=len(missing), made=made)
    yield one if sure else replace(one, certainty="note")


def _left_out_on_purpose(exam: Examination, missing: list[str], held: set[int]) -> bool:
    """Whether first layers are left out, or a whole part of several, as a rival network is."""
    parameters = dict(exam.patient.model.named_parameters())
    order = {name: call.index for call in exam.seen.calls for name in call.parameters}
    trained_at = [order[n] for n in order if n not in missing and id(parameters.get(n)) in held]
    last = max((order.get(n, -1) for n in missing), default=-1)
    if trained_at and last < min(trained_at):
        return True
    parts = {name.partition(".")[0] for name in missing}
    whole = not any(id(p) in held for n, p in parameters.items() if n.partition(".")[0] in parts)
    return whole and sum(parameters[n].dim() >= 2 for n in missing) >= 2


def no_gradient(exam: Examination, trained: dict[str, nn.Parameter]) -> Iterator[Finding]:
    """Find what was used and got no gradient: cut off, or leading nowhere."""
    seen = exam.seen
    held = held_by(exam) if exam.patient.optimizer is not None else set(map(id, trained.values()))
    without = [
        name
        for name, p in trained.items()
        if name in seen.used and name not in seen.gradients and id(p) in held
    ]
    if not without:
        return
    calls = [c for c in seen.calls if set(c.parameters) & set(without)]
    shut = [c for c in calls if not c.grad_enabled]
    cut = [c for c in calls if c.index in seen.cuts]
    # Between the cut and the loss there may be layers of one's own; the last before it is named.
    reaching = [c for c in calls if c in shut or any(i >= c.index for i in seen.cuts)]
    if _target_network(exam, without, shut) or not (shut or seen.cut_reaches_loss):
        reaching = shut = cut = []
    if reaching or shut or cut:
        call = (cut or shut or reaching)[-1]
        how = "under torch.no_grad()" if shut and not cut else "and its output was detached"
        many = f"{len(without)} parameters got" if len(without) > 1 else f"{without[0]} got"
        said = f"{many} no gradient: {call.place} ran {how}"
        yield finding("no-gradient", f"{said}.", call.place, number=len(without))
        return
    place = calls[-1].place if calls else without[-1].rpartition(".")[0]
    said = f"{place} was used, and nothing of it reaches the loss"
    yield finding("no-gradient", f"{said}.", place, certainty="note", number=len(without))


def _target_network(exam: Examination, without: list[str], shut: list[Call]) -> bool:
    """Whether what ran under no_grad has a trained twin, as a target or a momentum network has."""
    if not shut:
        return False
    parameters = dict(exam.patient.model.named_parameters())
    trained = Counter(tuple(parameters[n].shape) for n in exam.seen.gradients)
    asked = Counter(tuple(parameters[n].shape) for n in without)
    return all(trained[shape] >= count for shape, count in asked.items())


def labels(exam: Examination, seen: Look) -> Iterator[Finding]:
    """Find targets that are all the same."""
    target = seen.loss_watch.target
    # Labels that the loss makes itself, as a contrast does, are no data.
    batch = tensors(exam.patient.batch)
    if (
        target is None
        or not any(t.shape == target.shape for t in batch)
        or target.numel() < 8
        or target.dim() == 0
        or len(target) < 8
    ):
        return
    # Zeros or ones for all are what a residual or a rival network is asked for.
    if seen.loss_watch.kind in ("cross_entropy", "nll") and not target.is_floating_point():
        kept = target[target >= 0]
        if kept.numel() and bool((kept == kept.flatten()[0]).all()):
            said = f"all {kept.numel()} targets are {number(float(kept.flatten()[0]))}"
            yield finding("labels-all-equal", f"{said}.", number=1, bound=2)


def notes(exam: Examination) -> Iterator[Finding]:
    """Note what is unused, and two matrices in a row."""
    seen = exam.seen
    unused = [
        n for n, p in exam.patient.model.named_parameters() if n not in seen.used and p.dim() >= 1
    ]
    unused = [n for n in unused if n not in seen.gradients]
    if unused:
        place = unused[0].rpartition(".")[0] or unused[0]
        some = ", ".join(unused[:3]) + (" and others" if len(unused) > 3 else "")
        yield finding("never-called", f"the forward pass uses none of {some}.", place)
    for call in seen.calls:
        if call.before < 0 or call.operation not in ("linear", "addmm"):
            continue
        first = seen.calls[call.before]
        if first.operation == "linear" and not first.activation and call.direct:
            said = f"{call.place} takes what {first.place} gives, with nothing between"
            yield finding("no-nonlinearity", f"{said}.", call.place)
            return


def remade(optimizer: Optimizer, **changes: float) -> str:
    """Write the line that makes an optimiser of the same kind, some settings changed."""
    known = inspect.signature(type(optimizer)).parameters
    group = optimizer.param_groups[0]
    settings = {
        name: group[name]
        for name, parameter in known.items()
        if name in group and name != "params" and group[name] != parameter.default
    }
    written = ", ".join(f"{k}={_written(v)}" for k, v in {**settings, **changes}.items())
    return f"optimizer = torch.optim.{type(optimizer).__name__}(model.parameters(), {written})"


def _written(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def partly_evaluating(model: nn.Module) -> Iterator[Finding]:
    """Find a part with dropout or batch norm that is trained in evaluation mode, beside others."""
    if not model.training:
        return
    for name, module in model.named_modules():
        inside = list(module.modules())
        acts = any(isinstance(m, BatchNorm | Dropout) and not m.training for m in inside[1:])
        trained = any(p.requires_grad for p in module.parameters())
        if not module.training and acts and trained:
            said = f"{name} is in evaluation mode, and the rest of the model is not"
            yield replace(finding("evaluation-mode", f"{said}.", name), certainty="note")
            return


def untied(model: nn.Module) -> Iterator[Finding]:
    """Find weights that the model calls one and that are two."""
    config = getattr(model, "config", None)
    if not getattr(config, "tie_word_embeddings", False):
        return
    inputs = getattr(model, "get_input_embeddings", lambda: None)()
    outputs = getattr(model, "get_output_embeddings", lambda: None)()
    if inputs is None or outputs is None or inputs.weight is outputs.weight:
        return
    names = {id(p): name for name, p in model.named_parameters(remove_duplicate=False)}
    place = names.get(id(outputs.weight), "")
    said = (
        f"{place} and {names.get(id(inputs.weight), '')} are two tensors, and the model ties them"
    )
    yield finding("tied-weight-untied", f"{said}.", place)
