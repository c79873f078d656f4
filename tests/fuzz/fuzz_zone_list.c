/* Goal: no octets in a list of zones make its reader do anything but refuse them with their place, or give names, each as the file
 * has it. Method: a file in memory, named by a configuration. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config/zone_list.h"
#include "fuzz/replay.h"

const char csn_fuzz_name[] = "zone_list";

#define ZONES 20

static void check(struct csn_arena *arena, const struct csn_zone_list *list)
{
    INSIST(list->count <= ZONES);
    for (size_t i = 0; i < list->count; i++) {
        char name[CSN_NAME_TEXT_MAX], expected[CSN_NAME_TEXT_MAX + 4];
        uint8_t back[CSN_NAME_MAX];
        csn_name_text(list->zones[i], name);
        INSIST(csn_name_parse(name, back) == CSN_OK && csn_name_equal(back, list->zones[i]));
        snprintf(expected, sizeof(expected), "in/%.*s", (int)strlen(name) - 1, name);
        INSIST(strcmp(csn_zone_list_path(arena, "in/{zone}", list->zones[i]), expected) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "names: list\n";
    char path[64];
    struct csn_reason reason = {.text = ""};
    struct csn_yaml yaml;
    struct csn_arena arena = {0};
    struct csn_zone_list list;
    int fd = memfd_create("list", MFD_CLOEXEC);
    INSIST(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    INSIST(csn_yaml_parse(csn_bytes(text, sizeof(text) - 1), "in.yaml", &yaml, &reason) == CSN_OK);
    struct csn_schema_reader reader = {.yaml = &yaml, .arena = &arena, .reason = &reason};
    int code = csn_zone_list_read(&reader, csn_yaml_find(yaml.root, "names"), path, ZONES, &list);
    if (code == CSN_OK) {
        INSIST(size == 0 || memchr(data, 0, size) == NULL);
        check(&arena, &list);
    } else {
        INSIST(strncmp(reason.text, "in.yaml:1:", 10) == 0 && strstr(reason.text, path) != NULL);
    }
    csn_yaml_fini(&yaml);
    csn_arena_fini(&arena);
    close(fd);
    return 0;
}
