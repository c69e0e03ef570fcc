// Package redisstore is the channel layer on Redis. It shares its channels with
// asgi_redis 1.4, the layer of Daphne 1.4 and Channels 1.1: messages, groups and
// counters have the same keys, values and times to live. So processes of both
// kinds can work on one site, on any number of machines.
//
// # Hosts
//
// Several hosts are a ring. A process-specific channel lives on the host that its
// part up to and including "!" hashes to, a single-reader channel on that of its
// name, a group on that of its name. Normal channels use all hosts in turn, so
// their order and their capacity hold for each host.
//
// # Sending
//
// A send is one script, and so is a portion of a group send. Calls of several
// goroutines share a pipeline. A call that fails because a connection was lost is
// not repeated, because Redis may have run it. Messages to a connection of this
// process are delivered directly.
//
// # Receiving
//
// Nothing polls. One blocking read for each host waits for all channels that
// goroutines of this process receive from, while at least one of them waits. A
// bound prefix has a blocking read of its own. A blocking read is never
// abandoned: CLIENT UNBLOCK ends it, and its reply is read. A message that no
// goroutine wants any more goes back to the head of its list.
//
// # What Redis cannot keep
//
// Redis has no acknowledgements: a process that is killed loses the messages that
// it has taken and not handled. Traces and barriers are not on the wire. A reply
// from Redis means that Redis has the data; its appendfsync says when the data is
// on disk.
package redisstore
