// serve.js FOLDER: @tus/server with its file store; prints the port.
import { createServer } from 'node:http'
import { Server } from '@tus/server'
import { FileStore } from '@tus/file-store'
const [folder] = process.argv.slice(2)
const server = new Server({ path: '/files', datastore: new FileStore({ directory: folder }) })
const http = createServer((req, res) => server.handle(req, res))
http.listen(0, '127.0.0.1', () => console.log(http.address().port))
