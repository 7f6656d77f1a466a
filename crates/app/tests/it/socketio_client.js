// Connects with the real client, asks for a session, says hello, prints the answer.
// Usage: node socketio_client.js FOLDER PORT TRANSPORTS
const [folder, port, transports] = process.argv.slice(2);
const { io } = require(require("path").resolve(folder, "node_modules/socket.io-client"));

const socket = io(`http://127.0.0.1:${port}`, { transports: transports.split(","), reconnection: false });
const giveUp = setTimeout(() => fail("no answer"), 20000);

function fail(why) {
  console.error(why);
  process.exit(1);
}

socket.on("connect_error", (error) => fail(error.message));
socket.on("connect", () => socket.emit("session_request", { session_id: null }));
socket.on("session_confirm", (id) => socket.emit("user_uttered", { message: "hi there", session_id: id }));
socket.on("bot_uttered", (message) => {
  console.log(JSON.stringify(message));
  clearTimeout(giveUp);
  socket.disconnect();
});
