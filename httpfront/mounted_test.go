package httpfront

import (
	"net"
	"net/http"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// mounted makes newMemServer mount the server in an http.Server.
var mounted bool

// mount returns a function that serves with an http.Server.
func (s *memServer) mount() (serve func() error) {
	var conns sync.WaitGroup
	h := &http.Server{Handler: s.front, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			conns.Add(1)
		case http.StateClosed, http.StateHijacked:
			conns.Done()
		}
	}}
	ConfigureServer(h)
	return func() error {
		defer conns.Wait()
		defer h.Close()
		return h.Serve(s.net)
	}
}

// TestMounted runs tests of requests and handshakes again, with the server mounted
// in an http.Server. The others depend on what only Serve does.
func TestMounted(t *testing.T) {
	mounted = true
	defer func() { mounted = false }()
	for _, test := range []func(*testing.T){
		TestBodyStreamsPast512KiB,
		TestSlowReaderOfABodySlowsItsClient,
		TestLostUploadIsClosed,
		TestBodyLostBeforeTheRequestIsNoRequest,
		TestBodyIsBounded,
		TestChunkedBodyThatTurnsOutTooLong,
		TestResponseMayComeBeforeTheBody,
		TestSlowBodyIs408,
		TestUploadHoldsTheTimeout,
		TestHeadOf60KiBIsServed,
		TestSlowHeadIsAborted,
		TestResponseWithoutABodyIsCompleteAtOnce,
		TestRefusedHandshakeHasContentOnlyIfItsStatusAllowsIt,
		TestUnfinishedBodiesShareABudget,
		TestWaitForMemoryIsBounded,
		TestStreamedBodiesShareTheBudget,
		TestLongHeadsCount,
		TestDisconnectIsSentOnce,
		TestDisconnectIsDroppedSilentlyWhenFull,
		TestFullRequestChannelIs503,
		TestErrorPagesFollowAccept,
		TestTimeoutEndsWhenTheResponseStarts,
		TestTimeoutCanBeSwitchedOff,
		TestReplyWaitsForItsBarrier,
		TestFailedBarrierIs500,
		TestMailboxIsBounded,
		TestAllMailboxesTogetherAreBounded,
		TestAccessIsCalledForEachRequest,
		TestCloseWithoutACodeIs1005,
		TestLostSocketIs1006,
		TestPipelinedRequestsAreServedInOrder,
		TestExpectedContinueIsSent,
		TestHalfClosedClientGetsItsResponse,
		TestHalfClosedClientThatIsLostIsGone,
		TestHalfClosedClientLeavesItsHandshakeAtOnce,
		TestBadHandshakeIsRefused,
		TestOtherUpgradeIsPlainHTTP,
		TestOrigins,
		TestFullConnectChannelIs503,
		TestHandshakeTimeoutCanBeSwitchedOff,
		TestClientThatLeavesItsHandshake,
		TestNoFrameBeforeAcceptance,
		TestAcceptanceWaitsForItsBarrier,
		TestResponseStreams,
		TestTimeoutIs503,
		TestRequestWithoutHeadersHasAnEmptyList,
		TestForwardedHeaders,
		TestHTTPVersions,
		TestBadFirstReplyIs500,
		TestUnknownKeysAreIgnoredAndLogged,
		TestSecondStatusIsIgnored,
		TestBadReplyAbortsAStartedResponse,
		TestTargetIsReadFromTheWire,
		TestSocketCarriesMessagesBothWays,
		TestHandshakeTimeoutIs403,
		TestSubProtocol,
		TestReplyToWaitingHandshake,
		TestSocketEventsReachAccess,
		TestMessagesNeverHoldTheControlServersToken,
	} {
		name := runtime.FuncForPC(reflect.ValueOf(test).Pointer()).Name()
		t.Run(name[strings.LastIndexByte(name, '.')+1:], test)
	}
}
