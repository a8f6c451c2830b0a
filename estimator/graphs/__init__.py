"""Builders of graphs, one module per family of architectures.

To add an architecture, write ``build(draft: Draft) -> None`` (estimator/graph.py says what a draft offers) and enter it
in estimator/graphs/families.py under the name that GGUF's ``general.architecture`` gives it. A builder walks
``draft.layers``, which may leave out layers that repeat, calls ``draft.begin_layer()`` at the start of each, and reads
from the model's tensors what they tell (biases, norms, experts). What the tensors of a layer don't tell apart but the
graph does (a layer without RoPE) is given as the family's ``variant``, so that no two different layers are taken as the
same. Architectures without an entry get closed forms and a wide band (estimator/buffers.py).
"""
