/*
 * The round protocol (docs/PROTOCOL.md, sections 5 and 7) and R8's change of members, for Debian's spin. check.sh runs it.
 *
 * Sites A, B, C vote in epoch 1, A, B, D in epoch 2; q is 2 in both. Two leaders have three rounds between them and are
 * hostile: any field, any epoch, any order, both at once (what they know, L1 to L6, is thus not needed for safety). Faults:
 * loss, repetition and reordering of everything sent; crashes; one store that is put back from its oldest backup.
 *
 * Facts are bits that are set once and read, or not, at any later time. A message that is lost is a bit nobody reads.
 *
 * Two fields stand for all of R4: the round and one number. The number is the zone's serial (must go up), or with -DINPUT
 * the input's place, T, S or a version (must not go down). R4 is a conjunction: with fewer tests the sites only vote
 * more often, so what holds here holds with all of them. Two values are enough: I1 is about two equal serials, I2 about
 * two inputs on either side of a threshold, and a third round is equal to, before or after one of them.
 *
 * The smaller search: what only forbids (a hold whose bytes are missing, COMPUTED, a parent that is not the newest, an
 * operator) is left out. B and D accept and vote in one step: accepting writes and sends nothing, so it may be
 * moved to just before the vote as long as the vote tests all again; A and C do both apart, so that this too is looked at
 * (all four with -DALL_APART). The oldest backup is the worst: every later one has higher floors, which only forbid.
 *
 * I1     no two full roots certified for one serial
 * I2     along certified rounds the number does not go back
 * I6     no vote at or below the floor, nor at or below an own vote that ever left, even if the store has forgotten it
 * LIVE   -DPROGRESS: at every state, when faults stop and one site (any, or none) stays silent for good, the others
 *        finish the change if it has begun, and q of them can certify a fresh round with a fresh number. It is a
 *        claim about the rules (nothing they refuse for ever), for one fair order; not about clocks and elections.
 *
 * Sizes: -DROUNDS=2, -DNO_CHANGE (of members), -DNO_RESTORE, -DTWIN (the third round carries the second's number).
 * Broken on purpose: -DCONTENT_ONLY, -DCHECK_ONCE, -DNO_SECOND_COPY, -DNO_SEAL, -DRESET_FLOOR; and two that R8's
 * wording left open: -DSEAL_NOT_COPIED, -DONE_VOTE. -DNOT_IDLE must be refuted too, so that what holds does not hold for
 * want of work: it claims that never is a round certified in epoch 2, after one in epoch 1, by the vote of a site that
 * came back from a backup before.
 */
#define A 0
#define B 1
#define C 2
#define D 3
#ifndef ROUNDS
#define ROUNDS 3
#endif

/* What was sent. P of proposal p: its number (0: not proposed) and epoch. The fourth is for LIVE alone. */
byte number[4], epoch[4];
/* HELD by root: of p's two possible full roots (the bytes that p's author signed first, or again) the sites that voted. */
byte held[6];
/* R8: sites that sealed epoch 1, with their floors at that moment; sites whose vote for epoch 2 was sent. */
byte sealed, entered;
byte seal_round[3], seal_number[3];

/* The stores. place: OUT of epoch 2 (in epoch 1, if a member), SEALED, or IN epoch 2 with floors raised. */
byte floor_round[4], floor_number[4];
byte place[4];
#define OUT 0
#define SEALED 1
#define IN 2

/* In memory: p + 1 of the proposal at work. The hold of an `unsent` one is stored (1 + which root), its HELD not sent. */
byte work[4], unsent[4];

/* 1 + the site whose store was put back; p + 1 of the proposal whose bytes it signs again. */
byte rolled, again;

/* For use within one step. Breadth-first search (-DBREADTH, the shortest trail) takes no hidden variables. */
#ifdef BREADTH
#define hidden
#endif
hidden byte i, j, p, last, root;
hidden byte mute, ready, old_sealed, old_entered, old_place[4], old_round[4], old_number[4];
hidden byte old_seal_round[3], old_seal_number[3];
hidden byte I1 = 1, I2 = 1, I6 = 1, LIVE = 1, IDLE = 1;

#define BIT(n) (1 << (n))
#define COUNT(m) (((m) & 1) + (((m) >> 1) & 1) + (((m) >> 2) & 1) + (((m) >> 3) & 1))
#define MAX(a, b) ((a) > (b) -> (a) : (b))
#ifdef TWIN
#define ROUND(p) ((p) == 2 -> 2 : (p) + 1)
#else
#define ROUND(p) ((p) + 1)
#endif

/* R8: epoch 2 is active when q sealed voters of epoch 1 and q voters of epoch 2 have said so. */
#define ACTIVE (COUNT(sealed) >= 2 && COUNT(entered) >= 2)
#ifdef NO_SEAL
#define IN_FIRST(n) ((n) != D && (place[n] != IN || !ACTIVE))
#else
#define IN_FIRST(n) ((n) != D && place[n] == OUT)
#endif
#define IN_SECOND(n) ((n) != C && place[n] == IN && ACTIVE)
/* R4: epoch current, not sealed. */
#define CURRENT(n, e) ((e) == 1 -> IN_FIRST(n) : IN_SECOND(n))
/* R4: round above the floor's; serial above the floor's, or input not below it. */
#ifdef INPUT
#define ABOVE(n, r, k) ((r) > floor_round[n] && (k) >= floor_number[n])
#else
#define ABOVE(n, r, k) ((r) > floor_round[n] && (k) > floor_number[n])
#endif
#define PASSES(n, p) (number[p] != 0 && CURRENT(n, epoch[p]) && ABOVE(n, ROUND(p), number[p]))
#ifdef CHECK_ONCE
#define PASSES_AGAIN(n) true
#else
#define PASSES_AGAIN(n) PASSES(n, work[n] - 1)
#endif

/* q equal HELDs are a certificate (L2, L6); equal includes the full root, that is the signatures' bytes. */
#ifdef CONTENT_ONLY
#define CERTIFIED(p, v) (held[2 * (p) + (v)] != 0 && COUNT(held[2 * (p)] | held[2 * (p) + 1]) >= 2)
#else
#define CERTIFIED(p, v) (COUNT(held[2 * (p) + (v)]) >= 2)
#endif
#define VOTED(n, p) ((held[2 * (p)] | held[2 * (p) + 1]) & BIT(n))

inline raise(n, r, k) {
    floor_round[n] = MAX(floor_round[n], r);
    floor_number[n] = MAX(floor_number[n], k)
}

inline check_certified() {
    i = 0;
    do
    :: i < 6 && CERTIFIED(i / 2, i % 2) ->
        j = i + 1;
        do
        :: j < 6 && CERTIFIED(j / 2, j % 2) ->
#ifdef INPUT
            I1 = 1;
            I2 = (number[i / 2] <= number[j / 2]);
#else
            I1 = (number[i / 2] != number[j / 2]);
            I2 = (i / 2 == j / 2 || number[i / 2] < number[j / 2]);
#endif
            assert(I1);
            assert(I2);
            j++
        :: j < 6 && !CERTIFIED(j / 2, j % 2) -> j++
        :: j == 6 -> break
        od;
        i++
    :: i < 6 && !CERTIFIED(i / 2, i % 2) -> i++
    :: i == 6 -> break
    od;
    i = 0
}

inline check_vote(n, q) {
    i = 0;
    do
    :: i < 3 ->
        I6 = (ROUND(q) > floor_round[n] && (!VOTED(n, i) || ROUND(i) < ROUND(q)));
#ifndef ONLY_I1
        assert(I6);
#endif
        i++
    :: i == 3 -> break
    od;
    i = 0
}

/* R4 VOTE. The second copy first (ADR 0010), then hold and floor in one transaction. */
inline store_vote(n, q) {
    check_vote(n, q);
    floor_round[n] = ROUND(q);
    floor_number[n] = number[q]
}

/* After PERSISTED: HELD. */
inline send_vote(n, q, v) {
    held[2 * (q) + v] = held[2 * (q) + v] | BIT(n);
    printf("%c HELD round %d number %d epoch %d root %d\n", 65 + n, ROUND(q), number[q], epoch[q], v);
    check_certified()
#ifdef NOT_IDLE
    ;
    IDLE = !(n == rolled - 1 && q == 1 && epoch[0] == 1 && epoch[1] == 2 && (CERTIFIED(0, 0) || CERTIFIED(0, 1)) &&
             CERTIFIED(1, 0));
    assert(IDLE)
#endif
}

/* Leaders: Leader 1 has rounds 1 and 3, leader 2 has round 2. A proposal that nobody lets through changes nothing, so
 * it is sent when somebody accepts it. */
#define PROPOSE(q, k, e) \
    number[q] = k; epoch[q] = e; \
    printf("leader %d proposes round %d number %d epoch %d\n", 1 + (q) % 2, ROUND(q), k, e)
#define MAY_PROPOSE(n, q, k, e) ((q) < ROUNDS && number[q] == 0 && CURRENT(n, e) && ABOVE(n, ROUND(q), k))

/* R2 ACCEPT: writes nothing; one at a time, another drops the old one. */
#define ACCEPT_FRESH(n, q, k, e) \
    :: d_step { !unsent[n] && MAY_PROPOSE(n, q, k, e) -> \
        PROPOSE(q, k, e); work[n] = q + 1; printf("%c accepts round %d\n", 65 + n, ROUND(q)) }
#define ACCEPT(n, q) \
    :: d_step { !unsent[n] && work[n] != q + 1 && PASSES(n, q) -> \
        work[n] = q + 1; printf("%c accepts round %d\n", 65 + n, ROUND(q)) } \
    ACCEPT_FRESH(n, q, 1, 1) ACCEPT_FRESH(n, q, 2, 1) ACCEPT_FRESH(n, q, 1, 2) ACCEPT_FRESH(n, q, 2, 2)

/* R4 in two steps, with what the store says at the vote. The staged bytes are those of either root that exists. */
#define VOTE(n, v) \
    :: d_step { work[n] && !unsent[n] && PASSES_AGAIN(n) && (v == 0 || again == work[n]) -> \
        p = work[n] - 1; store_vote(n, p); unsent[n] = 1 + v; p = 0; printf("%c writes its hold\n", 65 + n) }
#define SEND(n) \
    :: d_step { unsent[n] -> \
        p = work[n] - 1; root = unsent[n] - 1; unsent[n] = 0; work[n] = 0; send_vote(n, p, root); p = 0; root = 0 }

/* The same for the sites that accept, vote and send in one step. */
#define AT_ONCE_FRESH(n, q, k, e) \
    :: d_step { MAY_PROPOSE(n, q, k, e) -> PROPOSE(q, k, e); store_vote(n, q); send_vote(n, q, 0) }
#define AT_ONCE(n, q) \
    :: d_step { PASSES(n, q) -> store_vote(n, q); send_vote(n, q, 0) } \
    :: d_step { again == q + 1 && PASSES(n, q) -> store_vote(n, q); send_vote(n, q, 1) } \
    AT_ONCE_FRESH(n, q, 1, 1) AT_ONCE_FRESH(n, q, 2, 1) AT_ONCE_FRESH(n, q, 1, 2) AT_ONCE_FRESH(n, q, 2, 2)

/* R5 ADOPT: only a certificate at or above the floor moves it, to its fields, but the serial is the later of both. Of a
 * sealed or new member: after it has entered; before that it would only forbid. */
#ifdef RESET_FLOOR
#define REPLACES(n, q) true
#define ADOPTED(n, q) number[q]
#else
#define REPLACES(n, q) (ROUND(q) >= floor_round[n])
#ifdef INPUT
#define ADOPTED(n, q) number[q]
#else
#define ADOPTED(n, q) MAX(floor_number[n], number[q])
#endif
#endif
#define MOVES(n, q) (ROUND(q) != floor_round[n] || ADOPTED(n, q) != floor_number[n])
#define ADOPT(n, q) \
    :: d_step { !unsent[n] && (n == D -> place[n] == IN : place[n] != SEALED) && \
            (CERTIFIED(q, 0) || CERTIFIED(q, 1)) && REPLACES(n, q) && MOVES(n, q) -> \
        floor_number[n] = ADOPTED(n, q); floor_round[n] = ROUND(q); \
        printf("%c adopts round %d\n", 65 + n, ROUND(q)) }

/* R8: the seal: once, for ever; no zone votes in epoch 1 after it; it carries the floors. */
#ifdef NO_CHANGE
#define SEAL(n)
#else
#define SEAL(n) \
    :: d_step { !unsent[n] && place[n] == OUT && !(sealed & BIT(n)) -> \
        place[n] = SEALED; sealed = sealed | BIT(n); \
        seal_round[n] = floor_round[n]; seal_number[n] = floor_number[n]; \
        printf("%c seals epoch 1\n", 65 + n) }
#endif

/* R8: raises the floors to those of q sealed voters, then votes for epoch 2: a second statement, so that the first q
 * sites to seal can say it too. ONE_VOTE: it is the same vote as the seal, and spent if that came before. */
#ifdef ONE_VOTE
#define MAY_ENTER(n) (place[n] != IN)
#define SAY_ENTERED(n) entered = (n != D && (sealed & BIT(n)) != 0 -> entered : entered | BIT(n)); SEAL_TOO(n)
#define SEAL_TOO(n) sealed = (n != D -> sealed | BIT(n) : sealed)
#else
#define MAY_ENTER(n) (place[n] == (n == D -> OUT : SEALED))
#define SAY_ENTERED(n) entered = entered | BIT(n)
#endif
#define ENTER(n, one, other) \
    :: d_step { !unsent[n] && MAY_ENTER(n) && (sealed & BIT(one)) && (sealed & BIT(other)) -> \
        raise(n, seal_round[one], seal_number[one]); \
        raise(n, seal_round[other], seal_number[other]); \
        SAY_ENTERED(n); place[n] = IN; \
        printf("%c raises its floors to those of %c and %c and votes for epoch 2\n", 65 + n, 65 + one, 65 + other) }

/* A crash and a start from the same store: what was accepted is gone, an unsent hold is said later. Between second
 * copy and store: the copy is newer, the vote is dead, the floor rises above it. */
#define CRASH(n) \
    :: d_step { work[n] && !unsent[n] -> work[n] = 0; printf("%c crashes\n", 65 + n) } \
    CRASH_IN_VOTE(n)
#ifdef NO_CRASH_IN_VOTE
#define CRASH_IN_VOTE(n)
#else
#define CRASH_IN_VOTE(n) \
    :: d_step { work[n] && !unsent[n] && PASSES_AGAIN(n) -> \
        p = work[n] - 1; raise(n, ROUND(p), number[p]); p = 0; work[n] = 0; \
        printf("%c crashes between second copy and store\n", 65 + n) }
#endif

/* A crash, and a start from the store's oldest backup. Amnesia: the floor becomes the later of the store's and the second
 * copy's, which has the last own vote (R4), said or not, and that it sealed (R8). */
/* last: p + 1 of the second copy's vote. */
inline restore(n, signed_again) {
    rolled = n + 1; again = signed_again;
    work[n] = 0; unsent[n] = 0;
    floor_round[n] = 0; floor_number[n] = 0; place[n] = OUT;
#ifndef NO_SECOND_COPY
    if
    :: last -> raise(n, ROUND(last - 1), number[last - 1])
    :: else
    fi;
#ifndef SEAL_NOT_COPIED
    if
    :: n != D && (sealed & BIT(n)) -> place[n] = SEALED
    :: else
    fi;
#endif
#endif
    last = 0;
    printf("%c comes back from a backup\n", 65 + n)
}
#define LAST_VOTE(n) (unsent[n] != 0 -> work[n] : (VOTED(n, 2) -> 3 : (VOTED(n, 1) -> 2 : (VOTED(n, 0) -> 1 : 0))))
/* It may sign its share of one proposal again, its offer being forgotten; not where its hold is dead. */
#define RESTORE_AND(n, g, may) \
    :: d_step { !rolled && (g || place[n] || floor_round[n]) && may -> last = LAST_VOTE(n); restore(n, g) } \
    :: d_step { !rolled && work[n] && !unsent[n] && work[n] != g && PASSES_AGAIN(n) && may -> last = work[n]; restore(n, g) }
#define MAY_SIGN_AGAIN(n, q) (number[q] && CURRENT(n, epoch[q]) && q + 1 > LAST_VOTE(n))
#ifdef NO_RESTORE
#define RESTORE(n)
#else
#define RESTORE(n) \
    RESTORE_AND(n, 0, true) \
    RESTORE_AND(n, 1, MAY_SIGN_AGAIN(n, 0)) \
    RESTORE_AND(n, 2, MAY_SIGN_AGAIN(n, 1)) \
    RESTORE_AND(n, 3, MAY_SIGN_AGAIN(n, 2))
#endif

#define APART(n) ACCEPT(n, 0) ACCEPT(n, 1) ACCEPT(n, 2) VOTE(n, 0) VOTE(n, 1) SEND(n) CRASH(n)
#define TOGETHER(n) AT_ONCE(n, 0) AT_ONCE(n, 1) AT_ONCE(n, 2)
#ifdef ALL_APART
#define QUICK(n) APART(n)
#else
#define QUICK(n) TOGETHER(n)
#endif
#define HEARS(n) ADOPT(n, 0) ADOPT(n, 1) ADOPT(n, 2)

/* LIVE. Everything the silent site said is lost too. The others seal, if a site has; they enter; a leader
 * asks them for a fresh round built from their floors (L3). Then all is put back. */
#define ALIVE(n) ((n) != mute)
#define KEEP(n) old_place[n] = place[n]; old_round[n] = floor_round[n]; old_number[n] = floor_number[n]
#define KEEP_SEAL(n) old_seal_round[n] = seal_round[n]; old_seal_number[n] = seal_number[n]
#define BACK(n) place[n] = old_place[n]; floor_round[n] = old_round[n]; floor_number[n] = old_number[n]
#define BACK_SEAL(n) seal_round[n] = old_seal_round[n]; seal_number[n] = old_seal_number[n]
#ifdef ONE_VOTE
#define LIVE_WANTS(n) (COUNT(sealed) < 2)
#else
#define LIVE_WANTS(n) true
#endif
#define LEAVE(n) old_place[n] = 0; old_round[n] = 0; old_number[n] = 0
#define LEAVE_SEAL(n) old_seal_round[n] = 0; old_seal_number[n] = 0
#define LIVE_SEAL(n) \
    if \
    :: ALIVE(n) && old_sealed && LIVE_WANTS(n) && place[n] == OUT && !(sealed & BIT(n)) -> \
        place[n] = SEALED; sealed = sealed | BIT(n); \
        seal_round[n] = floor_round[n]; seal_number[n] = floor_number[n] \
    :: else \
    fi
#define LIVE_RAISE(n, m) if :: sealed & BIT(m) -> raise(n, seal_round[m], seal_number[m]) :: else fi
#define LIVE_ENTER(n) \
    if \
    :: ALIVE(n) && old_sealed && COUNT(sealed) >= 2 && MAY_ENTER(n) -> \
        LIVE_RAISE(n, A); LIVE_RAISE(n, B); LIVE_RAISE(n, C); \
        SAY_ENTERED(n); place[n] = IN \
    :: ALIVE(n) && place[n] == IN -> entered = entered | (old_entered & BIT(n)) \
    :: else \
    fi
#define LIVE_FLOOR(n) if :: ALIVE(n) -> number[3] = MAX(number[3], floor_number[n] + 1) :: else fi
#define LIVE_VOTE(n) if :: ALIVE(n) && PASSES(n, 3) -> ready++ :: else fi
inline check_progress() {
    old_sealed = sealed; old_entered = entered;
    KEEP(A); KEEP(B); KEEP(C); KEEP(D); KEEP_SEAL(A); KEEP_SEAL(B); KEEP_SEAL(C);
    mute = 0;
    do
    :: mute < 5 ->
        sealed = sealed & ~BIT(mute);
        entered = entered & ~BIT(mute);
        LIVE_SEAL(A); LIVE_SEAL(B); LIVE_SEAL(C);
        LIVE_ENTER(A); LIVE_ENTER(B); LIVE_ENTER(D);
        LIVE_FLOOR(A); LIVE_FLOOR(B); LIVE_FLOOR(C); LIVE_FLOOR(D);
        epoch[3] = (old_sealed -> 2 : 1);
        ready = 0;
        LIVE_VOTE(A); LIVE_VOTE(B); LIVE_VOTE(C); LIVE_VOTE(D);
        LIVE = (ready >= 2);
        assert(LIVE);
        ready = 0;
        number[3] = 0; epoch[3] = 0;
        sealed = old_sealed; entered = old_entered;
        BACK(A); BACK(B); BACK(C); BACK(D); BACK_SEAL(A); BACK_SEAL(B); BACK_SEAL(C);
        mute++
    :: mute == 5 -> break
    od;
    mute = 0; old_sealed = 0; old_entered = 0;
    LEAVE(A); LEAVE(B); LEAVE(C); LEAVE(D); LEAVE_SEAL(A); LEAVE_SEAL(B); LEAVE_SEAL(C)
}

/* One process: between two steps nothing but the variables above is remembered. */
active proctype cluster() {
end:
    do
    APART(A) QUICK(B) APART(C) QUICK(D)
    HEARS(A) HEARS(B) HEARS(C) HEARS(D)
    SEAL(A) SEAL(B) SEAL(C)
    ENTER(A, A, B) ENTER(A, A, C) ENTER(A, B, C)
    ENTER(B, A, B) ENTER(B, A, C) ENTER(B, B, C)
    ENTER(D, A, B) ENTER(D, A, C) ENTER(D, B, C)
    /* B is A's mirror image. */
    RESTORE(A) RESTORE(C) RESTORE(D)
#ifdef PROGRESS
    :: d_step { check_progress() }
#endif
    od
}
