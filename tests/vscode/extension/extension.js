// Runs notebook cells in a real kernel (bridge.py) and does with its messages what the Jupyter extension does: the items
// of an output as they came, an update by display id by replaceOutputItems, in a task of its own where the cell is over.
const { spawn } = require("child_process");
const readline = require("readline");
const vscode = require("vscode");

const TEXT = /^text\/|\+json$|^application\/json$|^application\/javascript$|^image\/svg\+xml$/;

function items(data) {
  return Object.entries(data).map(([mime, value]) => {
    if (!TEXT.test(mime)) return new vscode.NotebookCellOutputItem(Buffer.from(value, "base64"), mime);
    return vscode.NotebookCellOutputItem.text(typeof value === "string" ? value : JSON.stringify(value), mime);
  });
}

class Kernel {
  constructor(controller) {
    this.controller = controller;
    this.cells = new Map(); // id of a request -> { cell, task, done }
    this.displays = new Map(); // display id -> { cell, output }
    this.queue = Promise.resolve();
    this.executed = 0;
    this.child = spawn(process.env.RAYDRIVE_PYTHON, [process.env.RAYDRIVE_BRIDGE], { stdio: ["pipe", "pipe", "inherit"] });
    readline.createInterface({ input: this.child.stdout }).on("line", (line) => {
      const message = JSON.parse(line);
      this.queue = this.queue.then(() => this.take(message)).catch((error) => console.error(`raydrive-kernel: ${error.stack}`));
    });
  }

  run(cell) {
    const task = this.controller.createNotebookCellExecution(cell), id = `cell-${++this.executed}`;
    task.executionOrder = this.executed;
    task.start(Date.now());
    return task.clearOutput().then(() => new Promise((done) => {
      this.cells.set(id, { cell, task, done });
      this.child.stdin.write(JSON.stringify({ id, code: cell.document.getText() }) + "\n");
    }));
  }

  async take({ id, type, content }) {
    const asked = this.cells.get(id);
    if (type === "update_display_data") return this.update(content);
    if (!asked) return undefined;
    if (type === "execute_reply") {
      asked.task.end(content.status === "ok", Date.now());
      asked.task = null;
      return asked.done();
    }
    const output = this.output(type, content);
    if (!output) return undefined;
    await this.within(asked.cell, asked.task, (task) => task.appendOutput(output));
    const display = content.transient && content.transient.display_id;
    if (display) this.displays.set(display, { asked, output });
    return undefined;
  }

  output(type, content) {
    if (type === "stream") {
      return new vscode.NotebookCellOutput([content.name === "stderr"
        ? vscode.NotebookCellOutputItem.stderr(content.text) : vscode.NotebookCellOutputItem.stdout(content.text)]);
    }
    if (type === "error") return new vscode.NotebookCellOutput([vscode.NotebookCellOutputItem.error({ name: content.ename, message: content.evalue, stack: content.traceback.join("\n") })]);
    if (type === "display_data" || type === "execute_result") return new vscode.NotebookCellOutput(items(content.data), { outputType: type });
    return null;
  }

  async update({ data, transient }) {
    const shown = this.displays.get(transient.display_id);
    if (!shown) return;
    await this.within(shown.asked.cell, shown.asked.task, (task) => task.replaceOutputItems(items(data), shown.output));
  }

  // Only a task may change outputs: where the cell's own is over, one for the moment.
  async within(cell, task, change) {
    if (task) return change(task);
    const before = cell.executionSummary || {};
    const moment = this.controller.createNotebookCellExecution(cell);
    moment.start(before.timing && before.timing.startTime);
    moment.executionOrder = before.executionOrder;
    await change(moment);
    return moment.end(before.success, before.timing && before.timing.endTime);
  }
}

exports.activate = (context) => {
  const controller = vscode.notebooks.createNotebookController("raydrive", "jupyter-notebook", "Python of raydrive");
  controller.supportedLanguages = ["python"];
  controller.supportsExecutionOrder = true;
  let kernel = null;
  controller.executeHandler = async (cells) => {
    kernel = kernel || new Kernel(controller);
    for (const cell of cells) await kernel.run(cell);
  };
  context.subscriptions.push(controller, { dispose: () => kernel && kernel.child.kill() });
};
