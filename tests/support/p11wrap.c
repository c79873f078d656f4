/* p11wrap.c: a PKCS#11 module that hands everything to another one (P11WRAP_MODULE) and misbehaves
 * on demand, so that tests see what broken HSMs do to a site without a switch in our own programs.
 *
 * The fault is the text of the file P11WRAP_CONTROL, read again at each call concerned, or else
 * P11WRAP_FAULT:
 * - wrong-signature: flips a bit of each signature
 * - hang: never returns from C_Sign
 * - slow:N: at most N signatures a second, all sessions together
 * - slow-login: a line in the trace, then half a second, before each C_Login
 * - die: ends the process by SIGKILL
 * - session-lost: closes the session under its user once a process: CKR_SESSION_HANDLE_INVALID
 * - device-error: CKR_DEVICE_ERROR each time
 * - keep: destroys no object
 * P11WRAP_TRACE: a file that gets one line for each C_Login. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <p11-kit/pkcs11.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FAULT_MAX 64

static CK_FUNCTION_LIST_PTR real;
static CK_FUNCTION_LIST wrapped;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_mutex_t pace = PTHREAD_MUTEX_INITIALIZER;
static atomic_flag was_lost = ATOMIC_FLAG_INIT;

static void read_fault(char ret_fault[FAULT_MAX])
{
    const char *path = getenv("P11WRAP_CONTROL");
    const char *fixed = getenv("P11WRAP_FAULT");
    snprintf(ret_fault, FAULT_MAX, "%s", fixed != NULL ? fixed : "");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        ssize_t got = read(fd, ret_fault, FAULT_MAX - 1);
        ret_fault[got > 0 ? got : 0] = '\0';
        ret_fault[strcspn(ret_fault, "\n")] = '\0';
        close(fd);
    }
}

/* Each call takes the next turn and waits for it by itself: sleeping too long slows nobody down but
 * the one who slept, so that with two sessions the rate is N and not less. */
static void keep_pace(long a_second)
{
    static struct timespec turn; /* the last one taken */
    struct timespec now, own;
    long period_ns = 1000000000L / (a_second > 0 ? a_second : 1);
    pthread_mutex_lock(&pace);
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (turn.tv_sec < now.tv_sec || (turn.tv_sec == now.tv_sec && turn.tv_nsec < now.tv_nsec)) {
        turn = now;
    }
    turn.tv_nsec += period_ns;
    turn.tv_sec += turn.tv_nsec / 1000000000L;
    turn.tv_nsec %= 1000000000L;
    own = turn;
    pthread_mutex_unlock(&pace);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &own, NULL) == EINTR) {
    }
}

static CK_RV wrap_sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG size,
                       CK_BYTE_PTR signature, CK_ULONG_PTR signature_size)
{
    char fault[FAULT_MAX];
    read_fault(fault);
    while (strcmp(fault, "hang") == 0) {
        pause();
    }
    if (strcmp(fault, "die") == 0) {
        kill(getpid(), SIGKILL);
    }
    if (strcmp(fault, "device-error") == 0) {
        return CKR_DEVICE_ERROR;
    }
    if (strcmp(fault, "session-lost") == 0 && !atomic_flag_test_and_set(&was_lost)) {
        real->C_CloseSession(session);
        return CKR_SESSION_HANDLE_INVALID;
    }
    if (strncmp(fault, "slow:", 5) == 0) {
        keep_pace(strtol(fault + 5, NULL, 10));
    }
    CK_RV rv = real->C_Sign(session, data, size, signature, signature_size);
    if (rv == CKR_OK && signature != NULL && strcmp(fault, "wrong-signature") == 0) {
        signature[*signature_size / 2] ^= 1;
    }
    return rv;
}

static void note_login(void)
{
    const char *path = getenv("P11WRAP_TRACE");
    int fd = path != NULL ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    if (fd >= 0) {
        if (write(fd, "login\n", 6) != 6) {
            abort();
        }
        close(fd);
    }
}

static CK_RV wrap_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin,
                        CK_ULONG size)
{
    char fault[FAULT_MAX];
    read_fault(fault);
    if (strcmp(fault, "slow-login") == 0) {
        note_login();
        keep_pace(2);
    }
    note_login();
    return real->C_Login(session, user, pin, size);
}

static CK_RV wrap_destroy(CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    char fault[FAULT_MAX];
    read_fault(fault);
    return strcmp(fault, "keep") == 0 ? CKR_FUNCTION_FAILED : real->C_DestroyObject(session, object);
}

static void load(void)
{
    const char *path = getenv("P11WRAP_MODULE");
    void *module =
        dlopen(path != NULL ? path : "/usr/lib/softhsm/libsofthsm2.so", RTLD_NOW | RTLD_LOCAL);
    CK_C_GetFunctionList get = NULL;
    if (module != NULL) {
        *(void **)&get = dlsym(module, "C_GetFunctionList");
    }
    if (get == NULL || get(&real) != CKR_OK) {
        real = NULL;
        return;
    }
    wrapped = *real;
    wrapped.C_Sign = wrap_sign;
    wrapped.C_Login = wrap_login;
    wrapped.C_DestroyObject = wrap_destroy;
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR ret_list)
{
    pthread_once(&once, load);
    if (real == NULL) {
        return CKR_GENERAL_ERROR;
    }
    *ret_list = &wrapped;
    return CKR_OK;
}
