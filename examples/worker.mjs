// A worker in JavaScript, which uses the channel layer over the socket. It needs
// only Node.
//
//     asgibox run --watch worker.mjs -- node examples/worker.mjs
//
// docs/layer-socket.md describes the frames, docs/layer-http.md the calls.

import { realpathSync } from "node:fs"
import { connect } from "node:net"
import { fileURLToPath } from "node:url"

/** An error of the server. Its kind is like "ChannelFull", or "Retired" if newer code
 * has replaced this program. */
export class LayerError extends Error {
	constructor(kind, detail) {
		super(`${kind}: ${detail}`)
		this.kind = kind
	}
}

/** The channel layer of a running asgibox. Several calls may be open at once. */
export class Layer {
	#socket
	#calls = new Map() // open calls by number
	#next = 0 // number of the next call
	#limit = Infinity // of the frames that the server reads, in bytes
	#failure // why the connection has ended

	/** Connects to the server that started this program. */
	static async connect(address = process.env.ASGIBOX_SOCKET, token = process.env.ASGIBOX_TOKEN ?? "") {
		if (!address) throw new Error("ASGIBOX_SOCKET is not set; start this program with asgibox run -- node FILE")
		const layer = new Layer()
		const tcp = address.match(/^tcp:(.*):(\d+)$/)
		const socket = (layer.#socket = tcp ? connect(Number(tcp[2]), tcp[1]) : connect(address))
		const frames = new Frames()
		socket.on("data", (bytes) => {
			try {
				for (const frame of frames.add(bytes)) layer.#handle(frame)
			} catch (error) {
				socket.destroy(error)
			}
		})
		socket.on("error", (error) => (layer.#failure = error))
		socket.on("close", () => layer.#end())
		layer.hello = await layer.call("hello", { version: 1, token, pid: process.pid, agent: "worker.mjs" })
		layer.#limit = layer.hello.max_message + 65536
		return layer
	}

	/** Returns a channel and a message. It waits for one. The next call of receive says
	 * that the last message has been handled. */
	async receive(channels) {
		for (;;) {
			const { channel, message } = await this.call("receive", { channels, block: true })
			if (channel !== null) return [channel, message]
		}
	}
	send(channel, message) { return this.call("send", { channel, message }) }
	async newChannel(pattern) { return (await this.call("new_channel", { pattern })).channel }
	groupAdd(group, channel) { return this.call("group_add", { group, channel }) }
	groupDiscard(group, channel) { return this.call("group_discard", { group, channel }) }
	sendGroup(group, message) { return this.call("send_group", { group, message }) }

	/** Makes any call of the layer, and returns its result. */
	call(name, fields = {}) {
		return new Promise((resolve, reject) => {
			if (this.#failure) return reject(this.#failure)
			const id = this.#next++
			const frame = encode({ ...fields, id, call: name })
			if (frame.length > this.#limit) throw new LayerError("MessageTooLarge", `${frame.length} bytes; the limit is ${this.#limit}`)
			this.#calls.set(id, { resolve, reject })
			this.#socket.write(frame)
		})
	}

	close() { this.#socket.destroy() }

	#handle({ id, ping, error, detail, ...result }) {
		if (ping !== undefined) return this.#socket.write(encode({ pong: ping }))
		if (error && id === undefined) throw new LayerError(error, detail)
		const call = this.#calls.get(id)
		this.#calls.delete(id)
		if (error) call?.reject(new LayerError(error, detail))
		else call?.resolve(result)
	}

	#end() {
		this.#failure ??= new Error("the server has ended the connection")
		for (const call of this.#calls.values()) call.reject(this.#failure)
		this.#calls.clear()
	}
}

const MARK = "\uffff" // first character of a text that encodes a byte string
const SEGMENT = "\ufffe" // after it comes the number of a segment

/** Returns a frame: its length, the length of its head, the head, and the segments,
 * each after its length. A number without a fraction becomes an integer. */
export function encode(head) {
	const segments = []
	const json = Buffer.from(JSON.stringify(pack(head, segments)))
	const parts = [json, ...segments].flatMap((part) => [uint32(part.length), part])
	return Buffer.concat([uint32(parts.reduce((sum, part) => sum + part.length, 0)), ...parts])
}

function uint32(number) {
	const bytes = Buffer.alloc(4)
	bytes.writeUInt32BE(number)
	return bytes
}

function pack(value, segments) {
	if (typeof value === "string") {
		if (!value.isWellFormed()) throw new LayerError("InvalidMessage", "a text has half of a surrogate pair")
		return value.startsWith(MARK) ? MARK + value : value
	}
	if (value instanceof Uint8Array) return MARK + SEGMENT + (segments.push(value) - 1)
	if (typeof value === "number" && !Number.isFinite(value)) throw new LayerError("InvalidMessage", `${value} is not allowed`)
	if (Array.isArray(value)) return value.map((item) => pack(item, segments))
	if (value === null || typeof value !== "object") return value
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, pack(item, segments)]))
}

function unpack(value, segments) {
	if (typeof value === "string" && value.startsWith(MARK)) {
		if (value[1] === MARK) return value.slice(1)
		if (value[1] === SEGMENT) return segments[Number(value.slice(2))]
		return Buffer.from(value.slice(1), "latin1")
	}
	if (Array.isArray(value)) return value.map((item) => unpack(item, segments))
	if (value === null || typeof value !== "object") return value
	return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, unpack(item, segments)]))
}

/** Cuts the bytes that arrive into frames, and decodes them. */
export class Frames {
	#chunks = []
	#size = 0 // of all chunks
	#needed = 4; // size at which the next frame may be complete

	*add(chunk) {
		this.#chunks.push(chunk)
		this.#size += chunk.length
		if (this.#size < this.#needed) return
		let bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks)
		while (bytes.length >= 4 && bytes.length >= (this.#needed = 4 + bytes.readUInt32BE())) {
			yield decode(bytes.subarray(4, this.#needed))
			bytes = bytes.subarray(this.#needed)
			this.#needed = 4
		}
		this.#chunks = [bytes]
		this.#size = bytes.length
	}
}

function decode(frame) {
	const parts = []
	for (let at = 0; at < frame.length; ) {
		const end = at + 4 + frame.readUInt32BE(at)
		parts.push(frame.subarray(at + 4, end))
		at = end
	}
	const [head, ...segments] = parts
	return unpack(JSON.parse(head), segments)
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
	const layer = await Layer.connect()
	try {
		for (;;) {
			const [channel, message] = await layer.receive(["http.request", "websocket.connect", "websocket.receive"])
			if (channel === "http.request") await layer.send(message.reply_channel, { status: 200, content: "Hello World!" })
			if (channel === "websocket.connect") await layer.send(message.reply_channel, { accept: true })
			if (channel === "websocket.receive") await layer.send(message.reply_channel, { text: message.text, bytes: message.bytes })
		}
	} catch (error) {
		if (error.kind !== "Retired") throw error
	}
	layer.close() // newer code has replaced this program
}
