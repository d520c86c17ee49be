// A receiver in Node. Prints its port, then a line for each webhook: what was verified, or why it was not.
// node receive.js SECRET
import http from "node:http";
import { Webhook } from "standardwebhooks";

const webhook = new Webhook(process.argv[2]);

const server = http.createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    try {
      const message = webhook.verify(Buffer.concat(parts).toString(), request.headers);
      console.log(JSON.stringify({ verified: message }));
      response.writeHead(204).end();
    } catch (error) {
      console.log(JSON.stringify({ refused: error.message }));
      response.writeHead(401).end();
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
