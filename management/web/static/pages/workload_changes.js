// Changes of one workload in the reader's name. The cluster decides; its words are shown in the dialog.

import { call } from "../frame/api.js";
import { h } from "../frame/dom.js";
import { confirm, formDialog } from "../frame/form.js";
import { navigate } from "../frame/router.js";
import { button, say } from "../frame/ui.js";

// Buttons for what the reader may do. `now` is the present state; `read` reads it again.
export function actionButtons(target, { state, desired, conditions, containers }, read) {
  const paused = ["paused", "suspended"].includes(state) || conditions.some((one) => one.reason === "DeploymentPaused");
  return [
    target.may("scale") && button("Scale", () => scale(target, desired, read)),
    target.may("image") && button("Set image", () => setImage(target, containers, read)),
    target.may("restart") && button("Restart", () => restart(target, read)),
    target.may(paused ? "resume" : "pause") && button(paused ? "Resume" : "Pause", async () => {
      await change(target, paused ? "resume" : "pause");
      say(paused ? `${target.name} is resumed.` : `${target.name} is paused.`);
      await read();
    }),
    target.may("delete") && button("Delete", () => remove(target), { kind: "quiet danger" }),
  ];
}

const change = async (target, action, body = {}, options) => (await call("POST", `${target.path}/${action}`, body, options)).data;

function scale(target, desired, read) {
  formDialog(`Scale ${target.name}`, {
    fields: [{ name: "replicas", label: "Pods", type: "number", min: 0, max: 100000, required: true, value: desired, hint: "0 stops it. An autoscaler may change the number again." }],
    submit: "Scale",
    action: async ({ replicas }, { key }) => {
      const { changed } = await change(target, "scale", { replicas: Number(replicas) }, { key });
      say(changed ? `${target.name} is scaled to ${replicas}.` : "Nothing has changed.");
      await read();
    },
  });
}

function setImage(target, containers, read) {
  const image = (name) => containers.find((one) => one.name === name)?.image || "";
  const first = containers.find((one) => !one.init);
  formDialog(`Set image of ${target.name}`, {
    fields: [
      { name: "container", label: "Container", type: "select", value: first?.name, options: containers.map((one) => [one.name, one.init ? `${one.name} (init)` : one.name]), onchange: ({ target: { form, value } }) => { form.elements.image.value = image(value); } },
      { name: "image", label: "Image", required: true, maxlength: 512, value: image(first?.name), spellcheck: "false", autocapitalize: "none", hint: "Its pods are replaced, as its strategy says." },
    ],
    submit: "Set image",
    action: async (values, { key }) => {
      const { changed } = await change(target, "image", { container: values.container, image: values.image.trim() }, { key });
      say(changed ? `${target.name} has the image ${values.image.trim()} in ${values.container}.` : "Nothing has changed.");
      await read();
    },
  });
}

function restart(target, read) {
  confirm({
    title: `Restart ${target.name}`,
    lost: [`All pods of ${target.name} are replaced, as its strategy says. What they have in memory is lost.`],
    submit: "Restart",
    action: async (values, { key }) => {
      await change(target, "restart", {}, { key });
      say(`The pods of ${target.name} are being replaced.`);
      await read();
    },
  });
}

// First tries it, to show what would change.
export async function rollBack(target, { revision }, read) {
  const { changes, more_changes } = await change(target, "rollback", { revision, dry_run: true });
  confirm({
    title: `Roll back ${target.name} to revision ${revision}`,
    lost: changes.length ? [...changes.map(({ field, before, after }) => [h("code", null, field), ": ", h("code", null, before ?? "absent"), " → ", h("code", null, after ?? "absent")]), more_changes && "Further fields change."].filter(Boolean) : ["No field would change."],
    submit: "Roll back",
    action: async (values, { key }) => {
      await change(target, "rollback", { revision }, { key });
      say(`${target.name} returns to revision ${revision}.`);
      await read();
    },
  });
}

function remove(target) {
  confirm({
    title: `Delete workload ${target.name}`,
    lost: [`${target.name} in ${target.namespace} is deleted in ${target.place.name}, with its pods.`],
    typed: target.name,
    submit: "Delete",
    action: async () => {
      await call("DELETE", `${target.path}?uid=${encodeURIComponent(target.uid)}`);
      await navigate(`/clusters/${encodeURIComponent(target.place.id)}/workloads`);
      say(`${target.name} is being deleted.`);
    },
  });
}
