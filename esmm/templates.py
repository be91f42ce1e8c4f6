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

    The delimiters are ``<< >>``, ``<% %>`` and ``<# #>``, because JSON, Mustache and painless use braces. A template
    may import another one by its shipped name. An unknown name raises EsmmError that names the template and the line.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: shipped(name).read_text(encoding="utf-8")),
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
    environment.filters["tojson"] = as_json
    try:
        return environment.get_template(relative).render(**values)
    except jinja2.TemplateSyntaxError as error:
        where = f"{shipped(error.name or relative)}, line {error.lineno}"
        raise EsmmError(f"template {where}: {error.message}", "mend the template") from None
    except jinja2.TemplateError as error:
        raise EsmmError(f"template {shipped(relative)}: {error.message}", "mend the template") from None


def as_json(value: Any) -> str:
    """Write a value as JSON without an opening Mustache tag in it.

    jinja2's own filter escapes < > & ' for HTML, which would be noise in a mapping.
    """
    # Outside of texts JSON has no two braces in a row that open.
    return json.dumps(value, ensure_ascii=False).replace("{{", "{\\u007b")


def _parsed(text: str, source: str) -> Any:
    lines = [line for line in text.splitlines() if line.strip()]
    try:
        return json.loads("\n".join(lines))
    except json.JSONDecodeError as error:
        near = "\n".join(f"    {n + 1:3d} {line}" for n, line in enumerate(lines) if abs(n + 1 - error.lineno) <= 2)
        raise EsmmError(
            f"template {source} does not render to JSON: {error.msg}\n{near}", "mend the template"
        ) from None
