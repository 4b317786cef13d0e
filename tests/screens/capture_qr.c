/* Reads a screen as "tmux capture-pane -p -e" gives it, paints its cells as pixels, and prints the QR codes
 * that are in the picture, one a line. Exit status 1 if there are none. usage: capture_qr [PNG], to keep the
 * picture. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/picture.h"
#include "ui/qr.h"

#define COLUMNS 400
#define ROWS 200
#define SCALE 4

struct paint {
    int fore_light, ground_light, reversed;
};

static uint8_t half[2 * ROWS][COLUMNS]; /* 1 is light */

static int is_light(int colour)
{
    return colour == 7 || colour == 15 || colour >= 250;
}

/* Parameters of "ESC [ ... m". */
static void set_paint(struct paint *p, char *parameters)
{
    int extended = 0, ground = 0;
    for (char *save, *s = strtok_r(parameters, ";:", &save); s != NULL; s = strtok_r(NULL, ";:", &save)) {
        int n = (int)strtol(s, NULL, 10);
        if (extended == 2) {
            *(ground ? &p->ground_light : &p->fore_light) = is_light(n);
            extended = 0;
        } else if (extended == 1) {
            extended = n == 5 ? 2 : 0;
        } else if (n == 38 || n == 48) {
            extended = 1;
            ground = n == 48;
        } else if (n == 0) {
            *p = (struct paint){1, 0, 0};
        } else if (n == 7 || n == 27) {
            p->reversed = n == 7;
        } else if ((n >= 30 && n <= 37) || n == 39) {
            p->fore_light = n == 37 || n == 39;
        } else if (n >= 90 && n <= 97) {
            p->fore_light = n == 97;
        } else if ((n >= 40 && n <= 47) || n == 49) {
            p->ground_light = n == 47;
        } else if (n >= 100 && n <= 107) {
            p->ground_light = n == 107;
        }
    }
}

static size_t cell_len(const char *s)
{
    unsigned char c = (unsigned char)*s;
    return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static void paint_cell(const char *s, const struct paint *p, size_t row, size_t column)
{
    int fore = p->reversed ? p->ground_light : p->fore_light;
    int ground = p->reversed ? p->fore_light : p->ground_light;
    int top = strncmp(s, "\u2580", 3) == 0 || strncmp(s, "\u2588", 3) == 0;
    int low = strncmp(s, "\u2584", 3) == 0 || strncmp(s, "\u2588", 3) == 0;
    if (row >= ROWS || column >= COLUMNS)
        return;
    half[2 * row][column] = (uint8_t)(top ? fore : ground);
    half[2 * row + 1][column] = (uint8_t)(low ? fore : ground);
}

static void read_line(char *s, struct paint *p, size_t row)
{
    for (size_t column = 0; *s != '\0' && *s != '\n';) {
        if (s[0] == '\x1b' && s[1] == '[') {
            char *end = s + 2 + strspn(s + 2, "0123456789;:");
            if (*end == 'm') {
                *end = '\0';
                set_paint(p, end > s + 2 ? s + 2 : (char[]){"0"});
            }
            s = end + 1;
        } else {
            paint_cell(s, p, row, column++);
            s += cell_len(s);
        }
    }
}

int main(int argc, char **argv)
{
    char line[65536];
    struct paint p = {1, 0, 0};
    struct gray g;
    struct qr_found found;
    for (size_t row = 0; fgets(line, sizeof line, stdin) != NULL; row++)
        read_line(line, &p, row);
    if (gray_new(&g, COLUMNS * SCALE, 2 * ROWS * SCALE) != OK)
        return 2;
    for (size_t y = 0; y < g.height; y++)
        for (size_t x = 0; x < g.width; x++)
            g.pixel[y * g.width + x] = half[y / SCALE][x / SCALE] ? 255 : 0;
    if (argc > 1 && picture_write(argv[1], &g, NULL) != OK)
        return 2;
    if (qr_decode_gray(&found, &g) != OK)
        return 2;
    size_t count = found.count;
    for (size_t i = 0; i < count; i++)
        puts(found.text[i]);
    qr_found_free(&found);
    gray_free(&g);
    return count > 0 ? 0 : 1;
}
