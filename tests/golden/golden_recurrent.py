"""Recurrent layers."""

import torch

from golden import ULP

STEPS, SAMPLES, INPUTS, HIDDEN = 4, 2, 3, 2


def write_recurrent(cases):
    write_layer(cases, "lstm", "LSTM", True, {})
    write_layer(cases, "gru", "GRU", True, {})
    write_layer(cases, "rnn_relu", "RNN", True, dict(nonlinearity="relu"))
    write_layer(cases, "rnn_tanh", "RNN", False, dict(nonlinearity="tanh"))


def write_layer(cases, name, kind, bidirectional, more):
    r = cases.random(name)
    layer = getattr(torch.nn, kind)(INPUTS, HIDDEN, bidirectional=bidirectional, **more)
    weights = {}
    for key, parameter in layer.named_parameters():
        weights[key] = parameter.data = r.uniform(-0.5, 0.5, *parameter.shape)
    x, h = r.normal(STEPS, SAMPLES, INPUTS), r.uniform(-1, 1, 1 + bidirectional, SAMPLES, HIDDEN)
    c = r.normal(*h.shape)
    with torch.no_grad():
        y, last = layer(x, (h, c) if kind == "LSTM" else h)
    states = dict(h=last[0], c=last[1]) if kind == "LSTM" else dict(h=last)
    initial = dict(h0=h, c0=c) if kind == "LSTM" else dict(h0=h)

    # Each step sums so many terms for its gates, of numbers no larger than this, and their functions are off by 4
    # units; what the state was off by before grows by the recurrent weights.
    terms = INPUTS + HIDDEN + 2
    largest = max(1.0, *(float(tensor.abs().max()) for tensor in (x, y, *states.values())))
    growth = max(float(value.abs().sum(1).max()) for key, value in weights.items() if "_hh" in key and value.dim() == 2)
    steps = sum(max(growth, 1.0) ** t for t in range(STEPS))
    tolerance = dict(atol=(terms + 4) * ULP * 0.5 * terms * largest * steps)
    params = dict(more, hidden_size=HIDDEN, num_layers=1, bidirectional=bidirectional, batch_first=False)
    inputs = dict(x=x, **initial, **weights)
    cases.add(name, "float_" + kind.lower(), params, inputs, dict(y=y, **states), tolerance, compare="float")
