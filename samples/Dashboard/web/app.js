// Puts the page together: each part takes the reports and shows what it is for.

import { Charts } from "./charts.js";
import { ClientCards } from "./client.js";
import { ClientTable } from "./clients.js";
import { Control } from "./control.js";
import { byId, setText } from "./dom.js";
import { Endpoint } from "./endpoint.js";
import { ForwardDialog } from "./forward.js";
import { MessageLog } from "./messages.js";
import { PassageLog } from "./passages.js";
import { RelaySwitch } from "./relay.js";
import { SendForm } from "./send.js";
import { startOrder, startTabs, startTheme } from "./shell.js";
import { ClientView } from "./view.js";

const control = new Control(
  report => {
    view.take(report);
    for (const part of parts) part.show(report);
  },
  linked => {
    setText(byId("link"), linked ? "" : "Connection to the dashboard lost, trying again …");
    document.body.classList.toggle("unlinked", !linked);
    if (linked) view.ask();
  });
const view = new ClientView(control);
const send = new SendForm(control, view), forward = new ForwardDialog(control, view);
const parts = [
  new Endpoint(control), new Charts(), new ClientTable(control, view, id => send.aim(id)), new MessageLog(control, message => forward.open(message)), send, forward,
  new RelaySwitch(control), new PassageLog(), new ClientCards(),
];
startOrder();
startTabs();
startTheme();
