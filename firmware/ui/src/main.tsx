// Where the page begins.
import "./style.css";
import "./wall.css";
import { render } from "preact";
import { App } from "./app";

const root = document.getElementById("page");
if (root) render(<App />, root);
