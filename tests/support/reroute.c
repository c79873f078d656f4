/* reroute.c: for LD_PRELOAD into a daemon under test: what it connects to on 127.0.0.1 goes to other ports, so that a proxy stands
 * between two daemons whose documents name each other. REROUTE says which: `from=to`, separated by commas. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static uint16_t reroute(uint16_t port)
{
    unsigned from, to;
    for (const char *at = getenv("REROUTE"); at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (sscanf(at, "%u=%u", &from, &to) == 2 && from == port) {
            return (uint16_t)to;
        }
    }
    return port;
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
    struct sockaddr_in other;
    if (address->sa_family == AF_INET && size == sizeof(other)) {
        memcpy(&other, address, sizeof(other));
        if (other.sin_addr.s_addr == htonl(INADDR_LOOPBACK)) {
            other.sin_port = htons(reroute(ntohs(other.sin_port)));
        }
        address = (const struct sockaddr *)&other;
    }
    return (int)syscall(SYS_connect, fd, address, size);
}
