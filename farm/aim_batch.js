// SPDX-License-Identifier: GPL-3.0-or-later
//
// A job type for Flamenco: the shots of a table, a part to each task, and a task that gathers the summary.
// It goes into the folder `scripts` beside the Flamenco Manager; docs/guide/farms.md tells the rest.

const JOB_TYPE = {
    label: "AIM: Batch of Shots",
    settings: [
        { key: "table", type: "string", subtype: "file_path", required: true,
          description: "The table of shots: .csv, .json or .toml" },
        { key: "out", type: "string", subtype: "dir_path", required: true,
          description: "The folder that each shot's files go to a folder in" },
        { key: "parts", type: "int32", default: 4, propargs: { min: 1, max: 1000 },
          description: "How many tasks the shots are dealt out to; as many as there are shots is best" },
        { key: "blender", type: "string", default: "{blender}", visible: "submission",
          description: "Blender with AIM installed, as the workers call it" },
    ],
};

function compileJob(job) {
    const settings = job.settings;
    const parts = Math.max(1, settings.parts);
    const gather = author.Task("summary", "misc");
    gather.addCommand(batch(settings, []));
    for (let part = 1; part <= parts; part++) {
        const task = author.Task(`part ${part} of ${parts}`, "misc");
        task.addCommand(batch(settings, ["--part", `${part}/${parts}`]));
        job.addTask(task);
        gather.addDependency(task);
    }
    job.addTask(gather);
}

// What is done is skipped, so a task may be tried again, and the last one only reads what the parts have made.
function batch(settings, more) {
    return author.Command("exec", {
        exe: settings.blender,
        args: ["--background", "--command", "aim", "batch", settings.table, "--out", settings.out].concat(more),
    });
}
