package faults

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Faults, one a round.
const (
	serverKilled     = "server killed"     // kill -9; a new one is started and must adopt
	serverStopped    = "server stopped"    // SIGTERM; and a new one
	serverFrozen     = "server frozen"     // its clock jumps ahead, as after a suspended machine
	supervisorKilled = "supervisor killed" // and with it all that runs in the instance
	supervisorFrozen = "supervisor frozen"
	claudeKilled     = "claude killed"
	clientDropped    = "client dropped" // gone for a while, then back with the last number it saw, or with none
	clientStalled    = "client stalled" // does not read for a while
	gatewayKilled    = "gateway killed"
	modelCut         = "model cut"     // every stream from the model breaks
	modelErrs        = "model errs"    // error statuses, cut streams and error events, as the prompts order
	keeperKilled     = "keeper killed" // and a new server, which brings it back
	diskFull         = "disk full"     // the victim's volume, and room again
)

var allFaults = []string{serverKilled, serverStopped, serverFrozen, supervisorKilled, supervisorFrozen, claudeKilled, clientDropped, clientStalled, gatewayKilled, modelCut, modelErrs, keeperKilled, diskFull}

// Of one user: nobody else may notice.
var ofOneUser = map[string]bool{supervisorKilled: true, supervisorFrozen: true, claudeKilled: true, clientDropped: true, clientStalled: true, modelErrs: true, diskFull: true}

// Claude may die of it, and what it was at is then taken up again.
var deadly = map[string]bool{supervisorKilled: true, claudeKilled: true, diskFull: true}

// Streams from the model may break and begin anew.
var cutting = map[string]bool{gatewayKilled: true, modelCut: true, modelErrs: true}

// Two at once: what may strike while the first lasts.
var alsoWhile = map[string][]string{
	serverKilled: {claudeKilled, supervisorKilled, gatewayKilled, modelCut}, serverStopped: {claudeKilled, supervisorKilled},
	serverFrozen: {claudeKilled, supervisorKilled}, keeperKilled: {gatewayKilled, supervisorKilled}, diskFull: {claudeKilled, supervisorKilled},
	claudeKilled: {claudeKilled}, supervisorKilled: {claudeKilled, gatewayKilled},
}

// How a prompt reaches the server.
const (
	bySocket = "socket"
	bySecond = "second device"
	byBoth   = "both devices" // the same id from both
	byHTTP   = "http"
)

// plannedPrompt is one prompt of a round.
type plannedPrompt struct {
	marker string // is in the prompt, and its answer ends with done:marker;
	orders string
	route  string
	after  int  // events of the round before it is sent
	writes bool // leaves its marker in runs.txt
}

func (p plannedPrompt) content() string {
	return fmt.Sprintf("%s %s [echo done:%s;]", p.marker, p.orders, p.marker)
}

// round is what happens in one round. It follows from the seed and the round's number alone.
type round struct {
	number  int
	fault   string
	also    string        // a second fault while the first lasts; "" mostly
	victim  int           // whose events the moment is counted by, and who it strikes
	moment  int           // events of the victim's before the fault
	outage  time.Duration // how long what was struck is away
	forget  bool          // a dropped client comes back without its memory
	prompts [][]plannedPrompt
}

func (r round) String() string {
	s := fmt.Sprintf("%s, user %d, after %d events, for %v", r.name(), r.victim, r.moment, r.outage)
	for u, prompts := range r.prompts {
		for _, p := range prompts {
			s += fmt.Sprintf("\n    user %d, %s, after %d: %s", u, p.route, p.after, p.content())
		}
	}
	return s
}

func (r round) name() string {
	if r.also != "" {
		return r.fault + " and " + r.also
	}
	return r.fault
}

// strikes says whether a user may notice that anything happened.
func (r round) strikes(user int) bool { return user == r.victim || !ofOneUser[r.fault] }

// kills says whether a user's Claude may have died, and what it was at was taken up again.
func (r round) kills(user int) bool { return user == r.victim && (deadly[r.fault] || deadly[r.also]) }

// cuts says whether answers of the model may have begun anew.
func (r round) cuts(user int) bool {
	return r.kills(user) || r.strikes(user) && (cutting[r.fault] || cutting[r.also])
}

// plan makes a round. Each fault comes once in as many rounds as there are faults, in an order of its own.
func plan(seed uint64, number, users int) round {
	deck := rand.New(rand.NewPCG(seed, uint64(number/len(allFaults))<<32)).Perm(len(allFaults))
	rng := rand.New(rand.NewPCG(seed, uint64(number)+1))
	r := round{
		number: number, fault: allFaults[deck[number%len(allFaults)]], victim: rng.IntN(users), moment: rng.IntN(90),
		outage: time.Duration(rng.IntN(1500)) * time.Millisecond, forget: rng.IntN(2) == 0, prompts: make([][]plannedPrompt, users),
	}
	if rng.IntN(5) == 0 {
		r.moment = 0 // between the prompt and its acknowledgement
	}
	if also := alsoWhile[r.fault]; len(also) > 0 && rng.IntN(2) == 0 {
		r.also = also[rng.IntN(len(also))]
	}
	for u := range users {
		for n := range 1 + rng.IntN(2) {
			p := plannedPrompt{
				marker: fmt.Sprintf("r%du%dp%d", number, u, n),
				route:  []string{bySocket, bySocket, bySocket, bySecond, byBoth, byHTTP}[rng.IntN(6)],
			}
			if n > 0 {
				p.after = rng.IntN(60) // in the middle of the first one, mostly
			}
			p.orders, p.writes = orders(rng, p.marker, r.fault == modelErrs && u == r.victim)
			r.prompts[u] = append(r.prompts[u], p)
		}
	}
	return r
}

// orders are what the scripted model is to do for a prompt.
func orders(rng *rand.Rand, marker string, trouble bool) (text string, writes bool) {
	pace := fmt.Sprintf("[pace %dms]", 5+rng.IntN(15))
	if trouble {
		return pace + " " + []string{
			fmt.Sprintf("[drop %d 1] [say 30]", rng.IntN(25)),
			"[fail 500 1] [say 10]",
			"[fail 529 1] [bash date] [say 10]",
			"[error-event 1] [say 10]",
			fmt.Sprintf("[stall %d 1500ms x1] [say 20]", rng.IntN(15)),
			fmt.Sprintf("[drop %d 2] [say 12]", rng.IntN(10)),
		}[rng.IntN(6)], false
	}
	switch rng.IntN(7) {
	case 0, 1:
		return fmt.Sprintf("%s [say %d]", pace, 20+rng.IntN(80)), false
	case 2:
		return fmt.Sprintf("%s [say 5] [bash sleep 0.%d; echo %s >> runs.txt] [say 8]", pace, rng.IntN(9), marker), true
	case 3:
		return fmt.Sprintf("%s [say 3] [write %s.txt %s] [say 8]", pace, marker, marker), false
	case 4:
		return fmt.Sprintf("%s [agent below [pace 5ms] [say 9]] [say 8]", pace), false
	}
	if rng.IntN(3) == 0 { // and a turn that begins by itself when the task ends
		return fmt.Sprintf("%s [background sleep 0.%d] [say 9]", pace, rng.IntN(9)), false
	}
	return fmt.Sprintf("%s [parallel [bash echo %s >> runs.txt] [bash date]] [say 6]", pace, marker), true
}
