// The editor: CodeMirror with the Python mode, which fits Starlark.
import { basicSetup, classHighlighter, EditorState, EditorView, keymap, python, setDiagnostics, syntaxHighlighting } from "./vendor/codemirror.js";

// edit replaces a text area by an editor.
export function edit(area, { save, changed, readOnly }) {
  const view = new EditorView({
    doc: area.value,
    extensions: [
      keymap.of([{ key: "Mod-s", run: () => { save(); return true; } }]),
      basicSetup, EditorView.lineWrapping, python(), syntaxHighlighting(classHighlighter),
      EditorView.contentAttributes.of({ "aria-label": "The application app.star" }),
      EditorView.updateListener.of((u) => u.docChanged && changed()),
      EditorState.readOnly.of(readOnly),
    ],
  });
  area.replaceWith(view.dom);
  return {
    text: () => view.state.doc.toString(),
    replace: (text) => view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } }),
    // mark shows an error at a line, or none.
    mark({ line, column, error } = {}) {
      const marks = [];
      if (line && line <= view.state.doc.lines) {
        const at = view.state.doc.line(line);
        marks.push({ from: Math.min(at.from + Math.max(0, (column || 1) - 1), at.to), to: at.to, severity: "error", message: error });
        view.dispatch({ effects: EditorView.scrollIntoView(at.from, { y: "center" }) });
      }
      view.dispatch(setDiagnostics(view.state, marks));
    },
  };
}
