#include "ops/command.h"

#include <getopt.h>
#include <stdio.h>

#define USAGE "usage: %s -c FILE.yaml [--check]\n"

static int put_help(const char *program, const char *does)
{
    printf(USAGE "\n%s\n"
           "  -c, --config FILE  its configuration\n"
           "  --check            reads the configuration and what it names, says what is wrong, and ends\n"
           "  -h, --help         this text\n"
           "  --version          the version of this program\n"
           "\n"
           "Exit status: 0 ended by a signal, or --check found nothing; 1 failed; 2 usage or configuration.\n",
           program, does);
    return 0;
}

static int put_usage(const char *program)
{
    fprintf(stderr, USAGE, program);
    return 2;
}

static int misuse(const char *program, const char *what, const char *which)
{
    fprintf(stderr, "%s: %s%s\n", program, what, which);
    return put_usage(program);
}

int csn_command_read(const char *program, const char *does, int argc, char **argv, struct csn_command *ret_command)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'}, {0}};
    *ret_command = (struct csn_command){0};
    for (int option; (option = getopt_long(argc, argv, "hc:", options, NULL)) != -1;) {
        switch (option) {
        case 'c':
            ret_command->path = optarg;
            break;
        case 'k':
            ret_command->is_check = true;
            break;
        case 'V':
            printf("%s %s\n", program, CONSIGN_VERSION);
            return 0;
        case 'h':
            return put_help(program, does);
        default:
            return put_usage(program); /* getopt said what is wrong */
        }
    }
    if (optind != argc) {
        return misuse(program, "one word too many: ", argv[optind]);
    }
    return ret_command->path == NULL ? misuse(program, "-c FILE.yaml is missing", "") : -1;
}
