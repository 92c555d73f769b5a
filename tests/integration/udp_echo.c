// SPDX-License-Identifier: Apache-2.0
//
// A UDP echo server for a container without a C library: udp_echo PORT. "who" is answered with the
// sender's address.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char** argv) {
    int server = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in here = {.sin_family = AF_INET};
    here.sin_port = htons((unsigned short)atoi(argc > 1 ? argv[1] : "9000"));
    if (server < 0 || bind(server, (struct sockaddr*)&here, sizeof here) < 0) {
        perror("udp_echo");
        return 1;
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        char data[2048];
        struct sockaddr_in from;
        socklen_t length = sizeof from;
        ssize_t got = recvfrom(server, data, sizeof data, 0, (struct sockaddr*)&from, &length);
        if (got == 3 && memcmp(data, "who", 3) == 0) {
            inet_ntop(AF_INET, &from.sin_addr, data, sizeof data);
            got = (ssize_t)strlen(data);
        }
        if (got >= 0) {
            sendto(server, data, (size_t)got, 0, (struct sockaddr*)&from, length);
        }
    }
}
