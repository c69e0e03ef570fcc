// The parts of CodeMirror that the tour's editor uses. docs/dependencies.md has
// the command that makes codemirror.js of this file.
export { basicSetup, EditorView } from "codemirror";
export { python } from "@codemirror/lang-python";
export { syntaxHighlighting } from "@codemirror/language";
export { setDiagnostics } from "@codemirror/lint";
export { EditorState } from "@codemirror/state";
export { keymap } from "@codemirror/view";
export { classHighlighter } from "@lezer/highlight";
