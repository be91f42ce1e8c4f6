"""Render the shipped jinja2 templates, to text or to JSON values."""

import json
from typing import Any

from esmm.errors import EsmmError
from esmm.shipped import shipped


def render_json(relative: str, **values: Any) -> Any:
    """Render a shipped template such as ``mappings/index.json.j2`` and parse it.

    Raises EsmmError that names the template and the line if the rendering is not JSON.
    """
    return _parsed(render_text(relative, **values), relative)


def render_text(relative: str, **values: Any) -> str:
    """Render a shipped template.

    The delimiters are ``<< >>``, ``<% %>`` and ``<# #>``, because JSON, Mustache and painless use braces. An unknown
    name raises EsmmError that names the template and the line.
    """
    import jinja2

    path = shipped(relative)
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        variable_start_string="<<",
        variable_end_string=">>",
        block_start_string="<%",
        block_end_string="%>",
        comment_start_string="<#",
        comment_end_string="#>",
        autoescape=False,  # noqa: S701  # JSON and TOML, not HTML: each value goes through tojson
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # jinja2's own tojson escapes < > & ' for HTML, which would be needless noise in a mapping.
    environment.filters["tojson"] = lambda value: json.dumps(value, ensure_ascii=False)
    try:
        return environment.from_string(path.read_text(encoding="utf-8")).render(**values)
    except jinja2.TemplateError as error:
        line = f", line {error.lineno}" if isinstance(error, jinja2.TemplateSyntaxError) else ""
        raise EsmmError(f"template {path}{line}: {error.message}", "mend the template") from None


def _parsed(text: str, source: str) -> Any:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return json.loads("\n".join(lines))
    except json.JSONDecodeError as error:
        near = "\n".join(f"    {n + 1:3d} {line}" for n, line in enumerate(lines) if abs(n + 1 - error.lineno) <= 2)
        raise EsmmError(
            f"template {source} does not render to JSON: {error.msg}\n{near}", "mend the template"
        ) from None
