// Behaves like a chat widget: connects with the real client, asks for a session, says hello, goes
// away, comes back to the same session. Prints what it hears, one JSON value per line.
// Usage: node socketio_client.js FOLDER VERSION PORT OPTIONS
// OPTIONS: {transports, namespace, token, leaves}
const [folder, version, port, given] = process.argv.slice(2);
const options = JSON.parse(given);
const module_ = require(require("path").resolve(folder, "node_modules/socket.io-client-" + version));
const io = module_.io || module_;
const url = `http://127.0.0.1:${port}`;

const giveUp = setTimeout(() => fail("no answer"), 30000);

function fail(why) {
  console.error(why);
  process.exit(1);
}

function hear(name, data) {
  console.log(JSON.stringify([name, data]));
}

function connect() {
  // Clients of version 2 send a token in the query, later ones in `auth`.
  return io(url + (options.namespace || ""), {
    transports: options.transports,
    auth: { token: options.token },
    query: version === "2" && options.token ? { token: options.token } : {},
    reconnection: false,
    forceNew: true,
  });
}

function refused(error) {
  hear("refused", typeof error === "string" ? error : error.message);
  clearTimeout(giveUp);
  process.exit(0);
}

async function elsewhere(session) {
  // The assistant says something while nobody is there.
  const path = `/conversations/${session}/trigger_intent?output_channel=socketio`;
  const body = JSON.stringify({ name: "goodbye" });
  const headers = { "content-type": "application/json" };
  const answer = await fetch(url + path, { method: "POST", body, headers });
  if (!answer.ok) fail(await answer.text());
}

function talk() {
  const socket = connect();
  socket.on("connect_error", refused);
  socket.on("error", refused);
  socket.on("connect", () => socket.emit("session_request", { session_id: null }));
  socket.on("session_confirm", (session) => {
    hear("session_confirm", typeof session);
    socket.emit("user_uttered", { message: "hi there", session_id: session, customData: { page: "/" } });
    socket.on("bot_uttered", (message) => {
      hear("bot_uttered", message);
      socket.disconnect();
      if (options.leaves) elsewhere(session).then(() => comeBack(session));
      else end(session);
    });
  });
}

function comeBack(session) {
  const socket = connect();
  let confirmed = 0;
  let missed = null;
  socket.on("connect", () => socket.emit("session_request", { session_id: session }));
  socket.on("bot_uttered", (message) => (missed = message));
  socket.on("session_confirm", () => {
    confirmed += 1;
    // What was missed comes before the answer to a second request.
    if (confirmed === 1) return socket.emit("session_request", { session_id: session });
    socket.disconnect();
    if (missed) {
      hear("bot_uttered", missed);
      end(session);
    } else {
      // The message came before the server saw us leave.
      elsewhere(session).then(() => comeBack(session));
    }
  });
}

function end(session) {
  hear("session", session);
  clearTimeout(giveUp);
}

talk();
