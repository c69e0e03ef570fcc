// The server for Node: a small response.
require("http").createServer((request, response) => response.end("Hello World!")).listen(process.argv[2], "127.0.0.1");
