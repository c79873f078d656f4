/* error.h: the one list of error codes, and the reason that goes with a refusal.
 *
 * Functions return 0 (CSN_OK) or one of these negative codes. Outputs are written only on success. A reason is a text for
 * an operator: it names the place, the cause and the next step. */
#ifndef CSN_BASE_ERROR_H
#define CSN_BASE_ERROR_H

#define CSN_ERRORS(X)                                                                              \
    X(EIO, -1, "input or output error")                                                            \
    X(EFORMAT, -2, "malformed")                                                                    \
    X(ENOTFOUND, -3, "not found")                                                                  \
    X(EEXISTS, -4, "exists already")                                                               \
    X(EREFUSED, -5, "refused")                                                                     \
    X(ELIMIT, -6, "over a limit")                                                                  \
    X(EBUSY, -7, "busy")                                                                           \
    X(ETIMEOUT, -8, "deadline passed")                                                             \
    X(ESIGNATURE, -9, "signature does not verify")                                                 \
    X(EDAMAGED, -10, "stored data is damaged")                                                     \
    X(EMISMATCH, -11, "does not match")                                                            \
    X(ECRYPTO, -12, "cryptographic library failed")                                                \
    X(EHSM, -13, "HSM failed")                                                                     \
    X(EFULL, -14, "no space left")                                                                 \
    X(ECLOSED, -15, "closed")                                                                      \
    X(EPERMISSION, -16, "not permitted")                                                           \
    X(ESLOW, -17, "too slow")

enum csn_error {
    CSN_OK = 0,
#define CSN_ERROR_ENUM(name, value, text) CSN_##name = (value),
    CSN_ERRORS(CSN_ERROR_ENUM)
#undef CSN_ERROR_ENUM
};

/* The text of a code; never NULL. */
const char *csn_error_text(int code);

#define CSN_REASON_MAX 512

struct csn_reason {
    char text[CSN_REASON_MAX]; /* NUL-terminated; cut when longer */
};

/* Writes the text and returns `code`, so that a refusal is one statement: return csn_reason_set(r, CSN_EREFUSED, …).
 * `reason` may be NULL. */
int csn_reason_set(struct csn_reason *reason, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Always-on assertions, for programmer errors only: no bytes from outside may reach them. REQUIRE: what the caller owes;
 * ENSURE: what the function owes; INSIST: what must hold in between. They end the process with file and line. */
_Noreturn void csn_assert_failed(const char *kind, const char *what, const char *file, int line);

#define REQUIRE(x) ((x) ? (void)0 : csn_assert_failed("REQUIRE", #x, __FILE__, __LINE__))
#define ENSURE(x) ((x) ? (void)0 : csn_assert_failed("ENSURE", #x, __FILE__, __LINE__))
#define INSIST(x) ((x) ? (void)0 : csn_assert_failed("INSIST", #x, __FILE__, __LINE__))

#endif
