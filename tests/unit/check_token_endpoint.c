/* SPDX-License-Identifier: MIT
 *
 * check_token_endpoint.c - endpoints as people write them, in tokens and in the configuration.
 */
#include "tunnel/token.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* 253 characters in labels of at most 63, and a port. */
static void make_longest(char host[TOKEN_ENDPOINT_SIZE])
{
    memset(host, 'a', 253);
    host[63] = host[127] = host[191] = '.';
    strcpy(host + 253, ":65535");
}

START_TEST(it_judges_endpoints)
{
    static const struct {
        const char *text;
        bool valid;
    } row[] = {
        {"home.example.net:7788", true},
        {"localhost:1", true},
        {"HOME.Example.NET:65535", true},
        {"3com.example:7788", true},
        {"a-b.c:7788", true},
        {"xn--bcher-kva.example:80", true},
        {"192.0.2.1:7788", true},
        {"0.0.0.0:1", true},
        {"255.255.255.255:1", true},
        {"[2001:db8::1]:7788", true},
        {"[::]:1", true},
        {"[::1]:1", true},
        {"[1::]:1", true},
        {"[1:2:3:4:5:6:7:8]:1", true},
        {"[1:2:3:4:5:6:7::]:1", true},
        {"[::2:3:4:5:6:7:8]:1", true},
        {"[FE80::ABCD]:1", true},
        {"[::ffff:192.0.2.1]:1", true},
        {"[1:2:3:4:5:6:192.0.2.1]:1", true},
        {"[64:ff9b::192.0.2.1]:1", true},
        {"_lansplice._udp.example.net", true},
        {"_l-2._udp.example", true},

        {"", false},
        {":", false},
        {":7788", false},
        {"home", false},
        {"home:", false},
        {"home:0", false},
        {"home:65536", false},
        {"home:99999", false},
        {"home:100000", false},
        {"home:4294967297", false},
        {"home:07788", false},
        {"home:+1", false},
        {"home:-1", false},
        {"home: 1", false},
        {"home:1 ", false},
        {"home:1x", false},
        {"home:http", false},
        {"home:1:2", false},
        {"-home:1", false},
        {"home-:1", false},
        {"a..b:1", false},
        {".a:1", false},
        {"a.:1", false},
        {"a_b:1", false},
        {"a b:1", false},
        {"a/b:1", false},
        {"a;reboot:1", false},
        {"$(reboot):1", false},
        {"a\n:1", false},
        {"b\xc3\xbc"
         "cher.example:1",
         false},
        {"192.0.2:1", false},
        {"192.0.2.256:1", false},
        {"192.0.2.01:1", false},
        {"192.0.2.1.1:1", false},
        {"192.0.2.:1", false},
        {"1:1", false},
        {"example.123:1", false},
        {"2001:db8::1:7788", false},
        {"[2001:db8::1]", false},
        {"[2001:db8::1]7788", false},
        {"[2001:db8::1:7788", false},
        {"2001:db8::1]:7788", false},
        {"[]:1", false},
        {"[:]:1", false},
        {"[:::]:1", false},
        {"[::1::]:1", false},
        {"[1::2::3]:1", false},
        {"[1:2:3:4:5:6:7]:1", false},
        {"[1:2:3:4:5:6:7:8:9]:1", false},
        {"[1:2:3:4:5:6:7:8::]:1", false},
        {"[1:2:3:4::5:6:7:8]:1", false},
        {"[:1:2:3:4:5:6:7]:1", false},
        {"[1:2:3:4:5:6:7:]:1", false},
        {"[12345::]:1", false},
        {"[g::]:1", false},
        {"[fe80::1%eth0]:1", false},
        {"[192.0.2.1]:1", false},
        {"[::192.0.2.1:1]:1", false},
        {"[192.0.2.1::]:1", false},
        {"[::192.0.2]:1", false},
        {"[1:2:3:4:5:6:7:192.0.2.1]:1", false},
        {"[home]:1", false},
        {"[::1]]:1", false},
        {"[[::1]:1", false},
        {"_lansplice._udp.example.net:7788", false},
        {"_lansplice._tcp.example.net", false},
        {"_lansplice._udp.", false},
        {"_lansplice._udp", false},
        {"_lansplice.example.net", false},
        {"_._udp.example.net", false},
        {"_lansplice._udp.192.0.2.1", false},
        {"_lansplice._udp._x.example", false},
        {"_lansplice._udp.a b", false},
        {"lansplice._udp.example.net", false},
        {"_", false},
    };
    for (size_t i = 0; i < sizeof row / sizeof row[0]; i++)
        ck_assert_msg(endpoint_text_valid(row[i].text) == row[i].valid, "'%s'", row[i].text);
}
END_TEST

START_TEST(long_hosts_have_limits)
{
    char host[TOKEN_ENDPOINT_SIZE];
    make_longest(host);
    ck_assert(endpoint_text_valid(host)); /* 253 in labels of at most 63 */
    strcpy(host + 253, "a:1");            /* 254 */
    ck_assert(!endpoint_text_valid(host));
    make_longest(host);
    host[63] = 'a'; /* a label of 127 */
    ck_assert(!endpoint_text_valid(host));
    memset(host, 'a', 64);
    strcpy(host + 63, ":1");
    ck_assert(endpoint_text_valid(host));
    strcpy(host + 63, "a:1");
    ck_assert(!endpoint_text_valid(host));
    make_longest(host);
    memcpy(host, "_a._udp.", 8);
    host[253] = '\0';
    ck_assert(endpoint_text_is_srv(host));
    strcpy(host + 253, "a"); /* 254 */
    ck_assert(!endpoint_text_is_srv(host));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("token_endpoint");
    TCase *tc = tcase_create("token_endpoint");
    suite_add_tcase(suite, tc);
    tcase_add_test(tc, it_judges_endpoints);
    tcase_add_test(tc, long_hosts_have_limits);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
