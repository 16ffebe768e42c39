/* SPDX-License-Identifier: MIT
 *
 * srv_records.c - see srv_records.h.
 *
 * A name is a row of labels, each with its length before it, up to the empty one; or up to a
 * pointer to where in the message it goes on (s.4.1.4). Pointers are followed only if each leads
 * further back than all before it, so that none can lead in a circle.
 */
#include "tunnel/srv_records.h"

#include "cursor.h"

#include <stdbool.h>
#include <string.h>

enum { TYPE_SRV = 33, LABEL_MAX = 63, POINTER = 0xc0 };

static bool is_of_host(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* To the end of the name where it stands, pointers not followed. */
static bool skip_name(struct cursor *c)
{
    uint8_t length;

    while (cursor_u8(c, &length)) {
        if (length == 0)
            return true;
        if (length >= POINTER)
            return cursor_skip(c, 1);
        if (length > LABEL_MAX || !cursor_skip(c, length))
            return false;
    }
    return false;
}

/* "label." behind the @used characters there are. Return: false when it does not belong there */
static bool add_label(char host[SRV_HOST_SIZE], size_t *used, const uint8_t *label, size_t bytes)
{
    if (*used + bytes + 1 >= SRV_HOST_SIZE)
        return false;
    for (size_t i = 0; i < bytes; i++)
        if (!is_of_host(label[i]))
            return false;
    memcpy(host + *used, label, bytes);
    *used += bytes;
    host[(*used)++] = '.';
    return true;
}

/* @at: where in the message it begins. */
static bool read_name(const uint8_t *message, size_t bytes, size_t at, char host[SRV_HOST_SIZE])
{
    struct cursor c = cursor_over(message + at, bytes - at);
    const uint8_t *label;
    uint8_t length, low;
    size_t used = 0;

    while (cursor_u8(&c, &length)) {
        if (length >= POINTER) {
            size_t to;
            if (!cursor_u8(&c, &low) || (to = (size_t)(length - POINTER) << 8 | low) >= at)
                return false;
            at = to;
            c = cursor_over(message + at, bytes - at);
        } else if (length == 0) {
            host[used > 0 ? used - 1 : 0] = '\0';
            return used > 0;
        } else if (length > LABEL_MAX || !cursor_take(&c, length, &label) ||
                   !add_label(host, &used, label, length)) {
            return false;
        }
    }
    return false;
}

/* Priority 2, weight 2, port 2, target. */
static bool read_record(const uint8_t *message, size_t bytes, struct cursor *data,
                        struct srv_record *out)
{
    return cursor_u16(data, &out->priority) && cursor_u16(data, &out->weight) &&
           cursor_u16(data, &out->port) && out->port != 0 &&
           read_name(message, bytes, (size_t)(data->at - message), out->host);
}

/* Name, type 2, class 2, TTL 4, length 2, data (s.4.1.3). Return: false at the end */
static bool next_record(struct cursor *c, uint16_t *type, struct cursor *data)
{
    const uint8_t *at;
    uint16_t bytes;

    if (!skip_name(c) || !cursor_u16(c, type) || !cursor_skip(c, 6) || !cursor_u16(c, &bytes) ||
        !cursor_take(c, bytes, &at))
        return false;
    *data = cursor_over(at, bytes);
    return true;
}

/* Header 12: id, flags, questions, answers, ...; then the questions, each a name, type and class.
 */
size_t srv_records_read(const uint8_t *message, size_t bytes,
                        struct srv_record out[SRV_RECORDS_MAX])
{
    struct cursor c = cursor_over(message, bytes), data;
    uint16_t questions, answers, type;
    size_t count = 0;

    if (!cursor_skip(&c, 4) || !cursor_u16(&c, &questions) || !cursor_u16(&c, &answers) ||
        !cursor_skip(&c, 4))
        return 0;
    while (questions-- > 0)
        if (!skip_name(&c) || !cursor_skip(&c, 4))
            return 0;
    while (answers-- > 0 && count < SRV_RECORDS_MAX && next_record(&c, &type, &data))
        if (type == TYPE_SRV && read_record(message, bytes, &data, &out[count]))
            count++;
    return count;
}
