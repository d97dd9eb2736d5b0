"""PyTorch's side of the cases of `Perf -- cpu --peer torch`, and of `operations` and `train`: reads a line of JSON, answers with one.

{"name": .., "shape": ..} makes a case's inputs; {"seconds": s} runs it for about s seconds and answers with the mean seconds of a run.
Every case is what a user of PyTorch would write.
"""
import json
import math
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def draw(*shape):
    return torch.rand(shape) * 4 - 2


def product(layout):
    def prepare(m, k, n):
        a = draw(k, m).t() if layout == "tn" else draw(m, k)
        b = draw(n, k).t() if layout == "nt" else draw(k, n)
        return lambda: a @ b
    return prepare


def differentiable(f, inputs, training):
    """Runs f, and where it trains its backward pass too, for a gradient drawn for its output."""
    if not training:
        def forward():
            with torch.no_grad():
                return f(*inputs)
        return forward
    dy = draw(*f(*inputs).shape)
    for x in inputs:
        x.requires_grad_()

    def step():
        for x in inputs:
            x.grad = None
        f(*inputs).backward(dy)
    return step


def attention(causal, training):
    def prepare(b, h, l, d):
        hidden = torch.ones(l, l, dtype=torch.bool).triu(1)

        def f(q, k, v):
            scores = q @ k.transpose(-2, -1) / math.sqrt(d)
            if causal:
                scores = scores.masked_fill(hidden, float("-inf"))
            return scores.softmax(-1) @ v
        return differentiable(f, [draw(b, h, l, d) for _ in range(3)], training)
    return prepare


def operation(inputs, f, training):
    """A function of the tensors that inputs makes of a case's sizes."""
    return lambda *shape: differentiable(f, inputs(*shape), training)


def function(f, training=False):
    return lambda *shape: differentiable(f, [draw(*shape)], training)


def layer_norm(x):
    return F.layer_norm(x, x.shape[-1:])


def cross_entropy(training):
    def prepare(rows, classes):
        labels = torch.randint(classes, (rows,))
        return differentiable(lambda x: F.cross_entropy(x, labels), [draw(rows, classes)], training)
    return prepare


def adamw(count):
    weight = nn.Parameter(draw(count))
    weight.grad = weight.detach().clone()
    return torch.optim.AdamW([weight], 1e-3).step


def training_step(model, optimizer, loss):
    def step():
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        optimizer.step()
    return step


def lstm(batch, length, inputs, hidden):
    recurrent, readout = nn.LSTM(inputs, hidden, batch_first=True), nn.Linear(hidden, inputs)
    model = nn.ModuleList([recurrent, readout])
    x, labels = draw(batch, length, inputs), torch.randint(inputs, (batch * length,))
    return training_step(model, torch.optim.Adam(model.parameters(), 1e-3), lambda: F.cross_entropy(readout(recurrent(x)[0]).flatten(0, 1), labels))


class Block(nn.Module):
    def __init__(self, width, heads, length):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.register_buffer("hidden", torch.ones(length, length, dtype=torch.bool).triu(1))

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (part.view(b, t, self.heads, -1).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(c, -1))
        scores = (q @ k.transpose(-2, -1) / math.sqrt(c // self.heads)).masked_fill(self.hidden, float("-inf"))
        x = x + self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(b, t, c))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class Gpt(nn.Module):
    def __init__(self, symbols, length, width, heads, layers):
        super().__init__()
        self.embedding, self.positions = nn.Embedding(symbols, width), nn.Embedding(length, width)
        self.blocks = nn.Sequential(*[Block(width, heads, length) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens):
        x = self.embedding(tokens) + self.positions.weight[:tokens.shape[1]]
        return F.linear(self.norm(self.blocks(x)), self.embedding.weight)


def gpt(batch, length, symbols, width, heads, layers):
    model = Gpt(symbols, length, width, heads, layers)
    tokens, labels = torch.randint(symbols, (batch, length)), torch.randint(symbols, (batch * length,))
    return training_step(model, torch.optim.AdamW(model.parameters(), 1e-3), lambda: F.cross_entropy(model(tokens).flatten(0, 1), labels))


class Ntm(nn.Module):
    """Graves, Wayne and Danihelka 2014, with one head that reads and one that writes; batches without a loop over sequences."""

    def __init__(self, inputs, outputs, hidden, slots, width):
        super().__init__()
        self.width, self.hidden, self.slots = width, hidden, slots
        self.controller = nn.LSTMCell(inputs + width, hidden)
        self.read, self.write = nn.Linear(hidden, width + 6), nn.Linear(hidden, width + 6)
        self.erase_add = nn.Linear(hidden, 2 * width)
        self.out = nn.Linear(hidden + width, outputs)
        self.memory = nn.Parameter(torch.rand(slots, width) * .1)
        self.reads, self.state = nn.Parameter(torch.zeros(width)), nn.Parameter(torch.zeros(2, hidden))

    def address(self, parameters, memory, previous):
        key, beta, gate, shift, gamma = parameters.split([self.width, 1, 1, 3, 1], -1)
        content = (F.softplus(beta) * F.cosine_similarity(memory, key.tanh().unsqueeze(1), -1)).softmax(-1)
        gate = gate.sigmoid()
        weights = gate * content + (1 - gate) * previous
        shift = shift.softmax(-1)
        weights = sum(shift[:, i:i + 1] * weights.roll(i - 1, -1) for i in range(3))
        weights = weights ** (1 + F.softplus(gamma))
        return weights / weights.sum(-1, keepdim=True)

    def forward(self, x):
        batch = x.shape[1]
        memory, reads = self.memory.expand(batch, -1, -1), self.reads.expand(batch, -1)
        h, c = (part.expand(batch, -1) for part in self.state)
        looked = wrote = torch.full((batch, self.slots), 1 / self.slots)
        outputs = []
        for step in x:
            h, c = self.controller(torch.cat([step, reads], -1), (h, c))
            looked = self.address(self.read(h), memory, looked)
            reads = (looked.unsqueeze(1) @ memory).squeeze(1)
            wrote = self.address(self.write(h), memory, wrote)
            erase, add = self.erase_add(h).chunk(2, -1)
            memory = memory * (1 - wrote.unsqueeze(2) * erase.sigmoid().unsqueeze(1)) + wrote.unsqueeze(2) * add.tanh().unsqueeze(1)
            outputs.append(self.out(torch.cat([h, reads], -1)))
        return torch.stack(outputs)


class Dnc(nn.Module):
    """Graves et al. 2016; batches without a loop over sequences or heads."""

    def __init__(self, inputs, outputs, hidden, slots, width, heads):
        super().__init__()
        self.hidden, self.slots, self.width, self.heads = hidden, slots, width, heads
        self.controller = nn.LSTMCell(inputs + heads * width, hidden)
        self.parts = [heads * width, heads, width, 1, width, width, heads, 1, 1, 3 * heads]
        self.interface, self.out = nn.Linear(hidden, sum(self.parts)), nn.Linear(hidden + heads * width, outputs)
        self.register_buffer("off_diagonal", 1 - torch.eye(slots))

    def content(self, memory, keys, strengths):
        key_length, length = ((x.square().sum(-1) + 1e-6).rsqrt() for x in (keys, memory))
        return ((keys * ((1 + F.softplus(strengths)) * key_length).unsqueeze(2)) @ memory.transpose(1, 2) * length.unsqueeze(1)).softmax(-1)

    def allocation(self, usage):
        usage, order = (1e-6 + (1 - 1e-6) * usage).sort(-1)            # away from 0, where the gradient of cumprod is slow
        products = F.pad(usage[:, :-1], (1, 0), value=1.).cumprod(-1)
        return torch.zeros_like(usage).scatter(-1, order, (1 - usage) * products)

    def forward(self, x):
        batch = x.shape[1]
        memory, links = x.new_zeros(batch, self.slots, self.width), x.new_zeros(batch, self.slots, self.slots)
        usage = precedence = write = x.new_zeros(batch, self.slots)
        looked, reads = x.new_zeros(batch, self.heads, self.slots), x.new_zeros(batch, self.heads * self.width)
        h = c = x.new_zeros(batch, self.hidden)
        outputs = []
        for step in x:
            h, c = self.controller(torch.cat([step, reads], -1), (h, c))
            keys, strengths, key, strength, erase, vector, free, allocate, gate, modes = self.interface(h).split(self.parts, -1)
            usage = (usage + write - usage * write) * (1 - free.sigmoid().unsqueeze(2) * looked).prod(1)
            found = self.content(memory, key.unsqueeze(1), strength).squeeze(1)
            write = gate.sigmoid() * torch.lerp(found, self.allocation(usage), allocate.sigmoid())
            column, row = write.unsqueeze(2), write.unsqueeze(1)
            memory = memory * (1 - column * erase.sigmoid().unsqueeze(1)) + column * vector.unsqueeze(1)
            links = ((1 - column - row) * links + column * precedence.unsqueeze(1)) * self.off_diagonal
            precedence = (1 - write.sum(-1, keepdim=True)) * precedence + write
            back, here, ahead = modes.view(batch, self.heads, 3).softmax(-1).split(1, -1)
            looked = back * (looked @ links) + here * self.content(memory, keys.view(batch, self.heads, -1), strengths) + ahead * (looked @ links.transpose(1, 2))
            reads = (looked @ memory).flatten(1)
            outputs.append(torch.cat([h, reads], -1))
        return self.out(torch.stack(outputs))


def copy_task(model, batch, length, optimizer):
    bits, x = 8, torch.zeros(2 * length + 2, batch, 10)
    target = torch.randint(2, (length, batch, bits)).float()
    x[0, :, bits], x[length + 1, :, bits + 1], x[1:length + 1, :, :bits] = 1, 1, target
    return training_step(model, optimizer, lambda: F.binary_cross_entropy_with_logits(model(x)[length + 2:], target))


def ntm(batch, length, slots, width, hidden):
    model = Ntm(10, 8, hidden, slots, width)
    return copy_task(model, batch, length, torch.optim.RMSprop(model.parameters(), 1e-4, alpha=.95, momentum=.9))


def dnc(batch, length, slots, width, heads, hidden):
    model = Dnc(10, 8, hidden, slots, width, heads)
    return copy_task(model, batch, length, torch.optim.Adam(model.parameters(), 1e-4))


class Bahdanau(nn.Module):
    """Bahdanau, Cho and Bengio 2014. What does not wait for the decoder's state is computed for all positions at once."""

    def __init__(self, symbols, embedding, hidden):
        super().__init__()
        self.source, self.target = nn.Embedding(symbols, embedding), nn.Embedding(symbols, embedding)
        self.encoder, self.begin = nn.GRU(embedding, hidden, batch_first=True, bidirectional=True), nn.Linear(hidden, hidden)
        self.query, self.key, self.energy = (nn.Linear(*sizes, bias=False) for sizes in ((hidden, hidden), (2 * hidden, hidden), (hidden, 1)))
        self.cell = nn.GRUCell(embedding + 2 * hidden, hidden)
        self.maxout, self.out = nn.Linear(3 * hidden + embedding, 2 * (hidden // 2 + 1)), nn.Linear(hidden // 2 + 1, symbols, bias=False)

    def forward(self, source, inputs):
        h, last = self.encoder(self.source(source))
        keys, y, s = self.key(h), self.target(inputs), self.begin(last[1]).tanh()
        states, contexts = [], []
        for symbol in y.unbind(1):
            weights = self.energy((keys + self.query(s).unsqueeze(1)).tanh()).squeeze(-1).softmax(-1)
            context = (weights.unsqueeze(1) @ h).squeeze(1)
            states.append(s)
            contexts.append(context)
            s = self.cell(torch.cat([symbol, context], -1), s)
        t = self.maxout(torch.cat([torch.stack(states, 1), y, torch.stack(contexts, 1)], -1))
        return self.out(t.unflatten(-1, (-1, 2)).max(-1)[0])


def bahdanau(batch, length, symbols, embedding, hidden):
    model, source = Bahdanau(symbols, embedding, hidden), torch.randint(3, symbols, (batch, length))
    said = source.flip(1)
    inputs, labels = F.pad(said, (1, 0), value=1), F.pad(said, (0, 1), value=2).flatten()
    return training_step(model, torch.optim.Adam(model.parameters(), 1e-3), lambda: F.cross_entropy(model(source, inputs).flatten(0, 1), labels))


ELEMENTWISE = {
    "exp": torch.exp, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "gelu": F.gelu, "gelu-tanh": lambda x: F.gelu(x, approximate="tanh"), "softplus": F.softplus,
    "softmax": lambda x: x.softmax(-1), "layer-norm": layer_norm,
}


def one(*shape):
    return [draw(*shape)]


def two(*shape):
    return [draw(*shape), draw(*shape)]


def selecting(f, *kept):
    """A function of a matrix and of random indices, with the sizes that kept names of those of the case."""
    def prepare(training):
        def of_shape(rows, columns, count):
            sizes = [(rows, columns, count)[i] for i in kept]
            indices = torch.randint(columns if f is torch.gather else rows, sizes)
            return differentiable(lambda x: F.embedding(indices, x) if f is F.embedding else f(x, 1 if f is torch.gather else 0, indices), [draw(rows, columns)], training)
        return of_shape
    return prepare


OPERATIONS = {
    "relu": (one, F.relu), "clamp": (one, lambda x: x.clamp(-1, 1)), "silu": (one, F.silu), "elu": (one, F.elu), "erf": (one, torch.erf), "sin": (one, torch.sin),
    "log": (one, lambda x: (x.abs() + .5).log()), "sqrt": (one, lambda x: (x.abs() + .5).sqrt()), "pow": (one, lambda x: (x.abs() + .5).pow(2.5)), "dropout": (one, F.dropout),
    "add": (two, torch.add), "mul": (two, torch.mul), "div": (two, torch.div), "maximum": (two, torch.maximum), "where": (two, lambda x, y: torch.where(x != 0, x, y)),
    "add-row": (lambda m, n: [draw(m, n), draw(n)], torch.add), "add-column": (lambda m, n: [draw(m, n), draw(m, 1)], torch.add),
    "sum": (one, torch.sum), "sum-last": (one, lambda x: x.sum(-1)), "sum-first": (one, lambda x: x.sum(0)), "mean": (one, torch.mean),
    "max-last": (one, lambda x: x.amax(-1)), "max-first": (one, lambda x: x.amax(0)), "argmax": (one, lambda x: x.argmax(-1)),
    "variance": (one, lambda x: x.var(-1)), "norm": (one, lambda x: x.norm(dim=-1)), "cosine": (two, lambda x, y: F.cosine_similarity(x, y, -1)),
    "logsumexp": (one, lambda x: x.logsumexp(-1)), "log-softmax": (one, lambda x: x.log_softmax(-1)), "softmax-first": (one, lambda x: x.softmax(0)),
    "rms-norm": (lambda m, n: [draw(m, n), draw(n)], lambda x, w: x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-6) * w),
    "cumsum-last": (one, lambda x: x.cumsum(-1)), "cumsum-first": (one, lambda x: x.cumsum(0)),
    "mse": (two, F.mse_loss), "smooth-l1": (two, F.smooth_l1_loss), "bce": (two, F.binary_cross_entropy_with_logits),
    "transpose": (one, lambda x: x.t().contiguous()), "permute": (one, lambda x: x.permute(0, 2, 1, 3).contiguous()),
    "stack": (lambda n, *shape: [draw(*shape) for _ in range(n)], lambda *x: torch.stack(x)), "concat": (lambda m, n: [draw(m, n // 2), draw(m, n // 2)], lambda *x: torch.cat(x, -1)),
    "sort": (one, lambda x: x.sort(-1)[0]),
    "bmm": (lambda b, m, k, n: [draw(b, m, k), draw(b, k, n)], torch.bmm), "matvec": (lambda m, n: [draw(m, n), draw(n, 1)], torch.matmul),
    "conv1d": (lambda b, i, t, o, k: [draw(b, i, t), draw(o, i, k)], lambda x, w: F.conv1d(x, w, padding=w.shape[2] // 2)),
    "depthwise": (lambda b, c, t, k: [draw(b, c, t), draw(c, 1, k)], lambda x, w: F.conv1d(x, w, padding=w.shape[2] - 1, groups=w.shape[0])),
    "linear": (lambda b, i, o: [draw(b, i), draw(o, i), draw(o)], F.linear),
}
SELECTIONS = {"embedding": selecting(F.embedding, 2), "index-select": selecting(torch.index_select, 2), "gather": selecting(torch.gather, 0, 2)}
CASES = {
    **{f"{name}{'-training' if t else ''}": operation(inputs, f, t) for name, (inputs, f) in OPERATIONS.items() for t in (False, True)},
    **{f"{name}{'-training' if t else ''}": prepare(t) for name, prepare in SELECTIONS.items() for t in (False, True)},
    "matmul": product(""), "matmul-nt": product("nt"), "matmul-tn": product("tn"),
    **{f"attention{'-causal' if c else ''}{'-training' if t else ''}": attention(c, t) for c in (False, True) for t in (False, True)},
    **{name: function(f) for name, f in ELEMENTWISE.items()},
    **{f"{name}-training": function(f, training=True) for name, f in ELEMENTWISE.items()},
    "cross-entropy": cross_entropy(False), "cross-entropy-training": cross_entropy(True),
    "adamw": adamw, "lstm": lstm, "gpt": gpt, "ntm": ntm, "dnc": dnc, "bahdanau": bahdanau,
}


def answer(question, run):
    if "name" in question:
        case = CASES.get(question["name"])
        run = case(*map(int, question["shape"].split("x"))) if case else None
        return {"known": case is not None}, run
    run()                                       # wakes its threads
    start, runs = time.perf_counter(), 0
    while runs == 0 or time.perf_counter() - start < question["seconds"]:
        run()
        runs += 1
    return {"seconds": (time.perf_counter() - start) / runs}, run


if __name__ == "__main__":
    torch.manual_seed(1)
    print(json.dumps({"version": torch.__version__}), flush=True)
    current = None
    for line in sys.stdin:
        reply, current = answer(json.loads(line), current)
        print(json.dumps(reply), flush=True)
