"""How the playground looks."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from trustydetox.errors import DetoxError, require_extra
from trustydetox.playground.trying import COLUMNS, MOST_ROWS, Knobs, try_file, try_text
from trustydetox.recipes import read_recipe, recipe_names
from trustydetox.report import card_style

if TYPE_CHECKING:
    import gradio

EXAMPLES = (
    "Read the manual, you stupid idiot, it is on page two.",
    "Only a m0r.0n would sell a car with no brakes.",
    "Thanks, the second answer fixed my build.",
)
EMPTY = '<p class="empty">Nothing to show yet: type a text and press “Clean it”.</p>'


def build_playground(folder: Path) -> tuple[gradio.Blocks, dict[str, Any]]:
    """The page, and how it looks: settings for its `launch`.

    folder: where files of the trials go; whoever launches the page removes it.
    """
    require_extra("gradio", "the playground", "play")
    import gradio as gr

    def code(label: str) -> Any:
        return gr.Code(
            label=label,
            interactive=False,
            lines=4,
            wrap_lines=True,
            show_line_numbers=False,
            buttons=["copy"],
        )

    with gr.Blocks(title="trustydetox playground", analytics_enabled=False) as page:
        gr.HTML(
            "<h1>trustydetox playground</h1><p>Find the toxic words of a text and mend only those. "
            "Everything runs on this machine.</p>",
            elem_classes="intro",
            apply_default_css=False,
        )
        with gr.Tabs():
            with gr.Tab("Text"), gr.Row():
                with gr.Column(scale=2, min_width=240):
                    text = gr.Textbox(label="Text", lines=6, max_lines=16, autofocus=True)
                    go = gr.Button("Clean it", variant="primary")
                    gr.Examples([[one] for one in EXAMPLES], [text], label="Examples")
                with gr.Column(scale=3, min_width=240):
                    card = gr.HTML(EMPTY, elem_id="result", apply_default_css=False)
            with gr.Tab("File"):
                gr.HTML(
                    f"<p>A small file, at most 5 MB and {MOST_ROWS:,} rows: .jsonl, .json, .csv, "
                    ".parquet or .txt.</p>",
                    elem_classes="intro",
                    apply_default_css=False,
                )
                with gr.Row():
                    upload = gr.File(label="File", height=150)
                    with gr.Column():
                        run = gr.Button("Clean the file", variant="primary")
                        said = gr.Textbox(label="What was done", interactive=False, lines=3)
                table = gr.Dataframe(
                    headers=list(COLUMNS),
                    datatype=["number", "str", "str", "number", "number", "str", "str"],
                    label="Texts that were not clean",
                    interactive=False,
                    wrap=True,
                    max_height=420,
                    column_widths=[48, 96, 108, 88, 72, 272, 272],
                    visible=False,
                )
                taken = gr.File(
                    label="To take along", interactive=False, file_count="multiple", visible=False
                )
        with gr.Row():
            with gr.Column(min_width=240):
                recipe = gr.Dropdown(recipe_names(), value="mini", label="Recipe")
                threshold = gr.Slider(
                    0.05,
                    1.0,
                    value=read_recipe("mini").threshold,
                    step=0.05,
                    label="Threshold",
                    info="A text of this toxicity or more is toxic.",
                )
                fallback = gr.Radio(
                    ["drop", "redact", "keep"],
                    value=read_recipe("mini").fallback,
                    label="Fallback",
                    info="What to do with a toxic text that can't be mended.",
                )
            with gr.Column(min_width=240):
                gr.Markdown("The same settings, to copy")
                with gr.Tabs():
                    with gr.Tab("Command"):
                        command = code("Command")
                    with gr.Tab("Python"):
                        python = code("Python")
                    with gr.Tab("YAML"):
                        config = code("YAML")

        knobs = [recipe, threshold, fallback]

        def tried(text: str, *settings: Any) -> str:
            if not text.strip():
                return EMPTY
            try:
                return try_text(text, Knobs(*settings))
            except DetoxError as error:
                raise gr.Error(str(error), print_exception=False) from error

        def cleaned(path: str | None, *settings: Any) -> tuple[str, Any, Any]:
            if path is None:
                raise gr.Error("Choose a file first.", print_exception=False)
            try:
                batch = try_file(Path(path), Knobs(*settings), Path(mkdtemp(dir=folder)))
            except DetoxError as error:
                # The upload lies under a name that says nothing to whoever chose it.
                said = str(error).replace(path, Path(path).name)
                raise gr.Error(said, print_exception=False) from error
            lines = [list(line) for line in batch.table]
            return (
                batch.said,
                gr.update(value=lines, visible=bool(lines)),
                gr.update(value=list(map(str, batch.files)), visible=True),
            )

        def copied(*settings: Any) -> tuple[str, str, str]:
            chosen = Knobs(*settings)
            return chosen.command(), chosen.python(), chosen.yaml()

        quiet: dict[str, Any] = {"api_visibility": "private"}
        gr.on([go.click, text.submit], tried, [text, *knobs], card, **quiet)
        run.click(cleaned, [upload, *knobs], [said, table, taken], **quiet)
        gr.on(
            [one.change for one in knobs] + [page.load],
            copied,
            knobs,
            [command, python, config],
            **quiet,
        )
    # Fonts of the machine: a theme's own would be asked for at a stranger's server.
    fonts = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]
    theme = gr.themes.Base(primary_hue="slate", font=fonts, font_mono=["ui-monospace", "monospace"])
    theme = theme.set(
        body_text_color_subdued="#586274",
        body_text_color_subdued_dark="#a3adbb",
        block_info_text_color="#586274",
        block_info_text_color_dark="#a3adbb",
        button_primary_background_fill="#2f5d8a",
        button_primary_background_fill_hover="#24496d",
        button_primary_background_fill_dark="#2f5d8a",
        button_primary_background_fill_hover_dark="#3b73aa",
    )
    own = files("trustydetox.playground").joinpath("app.css").read_text("utf-8")
    # As `css` it would be rewritten selector by selector, and some rules lost.
    return page, {"theme": theme, "head": f"<style>{card_style()}{own}</style>"}
