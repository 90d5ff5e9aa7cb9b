"""YAML as people mean it: keys once and in words, and numbers that are written as such."""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import ComposerError

_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_KEYS = [f"tag:yaml.org,2002:{kind}" for kind in ("str", "merge")]


class PlainLoader(yaml.SafeLoader):
    """Refuses a key that is no text or is written twice; PyYAML would take `on` for True.

    Numbers are those of YAML 1.2: 0400 is no 256 and 1:30 no 90, but texts, and 1e-3 is a number.
    """

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._around: list[str | None] = []  # anchors of what is being read

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node that does not hold itself."""
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) and event.anchor in self._around:
            told = f"&{event.anchor} would hold itself: leave *{event.anchor} out"
            raise ComposerError(None, None, told, event.start_mark)
        self._around.append(getattr(event, "anchor", None))
        node = super().compose_node(parent, index)
        self._around.pop()
        return node

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """A mapping whose keys were looked at."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                told = "a key is no text; braces begin a mapping: put the whole value in quotes"
                raise ComposerError(None, None, told, key.start_mark)
            if key.tag not in _KEYS:
                told = f"the key {key.value!r} is not read as text: put it in quotes"
                raise ComposerError(None, None, told, key.start_mark)
            if key.value in seen:
                told = f"{key.value!r} is written twice: leave one out"
                raise ComposerError(None, None, told, key.start_mark)
            seen.add(key.value)
        return node


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag not in (_INT, _FLOAT)]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
PlainLoader.add_implicit_resolver(_INT, re.compile(r"[-+]?(0|[1-9]\d*)$"), list("-+0123456789"))
_DIGITS = r"[-+]?(\d+\.\d*|\.\d+)([eE][-+]?\d+)?|[-+]?\d+[eE][-+]?\d+|[-+]?\.(inf|Inf|INF)"
PlainLoader.add_implicit_resolver(
    _FLOAT, re.compile(rf"({_DIGITS}|\.(nan|NaN|NAN))$"), list("-+.0123456789")
)
