// Puts the page together: each view takes the reports and shows its part of them.

import { Charts } from "./charts.js";
import { ClientCards } from "./client.js";
import { ClientTable } from "./clients.js";
import { Control } from "./control.js";
import { byId, setText } from "./dom.js";
import { Endpoint } from "./endpoint.js";
import { MessageLog } from "./messages.js";
import { PassageLog } from "./passages.js";
import { RelaySwitch } from "./relay.js";
import { SendForm } from "./send.js";
import { startOrder, startTabs, startTheme } from "./shell.js";

const control = new Control(
  report => views.forEach(view => view.show(report)),
  linked => {
    setText(byId("link"), linked ? "" : "Connection to the dashboard lost, trying again …");
    document.body.classList.toggle("unlinked", !linked);
  });
const send = new SendForm(control);
const views = [
  new Endpoint(control), new Charts(), new ClientTable(control, id => send.aim(id)), new MessageLog(), send, new RelaySwitch(control), new PassageLog(), new ClientCards(),
];
startOrder();
startTabs();
startTheme();
