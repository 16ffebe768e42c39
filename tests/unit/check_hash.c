/* SPDX-License-Identifier: MIT
 *
 * check_hash.c - HMAC-BLAKE2b and HKDF against values from Python's hmac and hashlib.
 */
#include "crypto/hash.h"

#include <check.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static void assert_hex(const uint8_t *bytes, size_t count, const char *hex)
{
    char text[2 * HASH_BYTES + 1];

    ck_assert_uint_le(count, HASH_BYTES);
    ck_assert_str_eq(sodium_bin2hex(text, sizeof(text), bytes, count), hex);
}

static const struct {
    uint8_t key_fill; /* the key's bytes when key is NULL */
    size_t key_bytes;
    const char *key, *data, *expected;
} hmac_rows[] = {
    {0, 0, "", "",
     "198cd2006f66ff83fbbd913f78aca2251caf4f19fe9475aade8cf2091b99a684"
     "66775177424f58286886cbae8229644cec747237d4b721735485e17372fdf59c"},
    {0, 4, "Jefe", "what do ya want for nothing?",
     "6ff884f8ddc2a6586b3c98a4cd6ebdf14ec10204b6710073eb5865ade37a2643"
     "b8807c1335d107ecdb9ffeaeb6828c4625ba172c66379efcd222c2de11727ab4"},
    {0xaa, 128, NULL, "x",
     "07253492d57d9051c0879ede924536da96be8fddf3fb5b6ffed9687b9883067f"
     "c96bfdc8431f4bd158ace52a07515350a003fd5548cf894b5b07fa38b058c690"},
    {0xaa, 131, NULL, "Test Using Larger Than Block-Size Key - Hash Key First",
     "a54b2943b2a20227d41ca46c0945af09bc1faefb2f49894c23aebc557fb79c48"
     "89dca74408dc865086667aedee4a3185c53a49c80b814c4c5813ea0c8b38a8f8"},
};

START_TEST(hmac_matches_reference)
{
    uint8_t out[HASH_BYTES], key[131];
    const char *data = hmac_rows[_i].data;

    memset(key, hmac_rows[_i].key_fill, sizeof(key));
    if (hmac_rows[_i].key != NULL)
        memcpy(key, hmac_rows[_i].key, hmac_rows[_i].key_bytes);
    hash_hmac(out, key, hmac_rows[_i].key_bytes, (const uint8_t *)data, strlen(data));
    assert_hex(out, sizeof(out), hmac_rows[_i].expected);
}
END_TEST

/* Chaining key 00 01 .. 3f; input 64 65 .. 83 (hexadecimal), or none. */
static const char *const hkdf_of_input[3] = {
    "2262ed5f40c3324574d00a1e0849a7cc67fb5b6a80211c3c59404bb8e47512b1"
    "cb95e73840718c5d68ca345f934f39a52f1f31e8f6d3ed521f0664f46feddae4",
    "f6a6559fa2aaab64d3d2666b83fe3f4fed6fae1959537fedd6a39b6f8d411e61"
    "32593234cc2a750244335da5021c27bf7eacbb65cfa608457de6ecc144b90077",
    "07c82c1301c70e885f4662f1f3f7b7bb9e04d81c94a6e1882f812c02ffb69580"
    "c93095bb599ad2fced3d3cf38c9c17df4fb3c0029f231247fca69b040e16449e"};
static const char *const hkdf_of_nothing[3] = {
    "03be0946afb62e33dcc2e8cb76dfad47663d284d81c0bde963f32a283dede221"
    "be2b9e3a86fa82934234d2a6ed331fb664a3e670252b9454da9ed2567b435e11",
    "8481b385940ea1ddc1e37243d34e6a00d9e35fe86844b75be2f9d084efcbf4a9"
    "d18c764645baf5262707efcb490c9ddfcc81c78ff75e1e727428f05b9fee857f",
    "acdbd8e7a251555a14055d23f4f43995042fdfc8178635fd72bac03932f52c54"
    "f608730b82d65ece0ebd610ca58943edaa3a9928715cdfcd309c4e5749e03f26"};

static void fill_counting(uint8_t *bytes, size_t count, unsigned first)
{
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)(first + i);
}

/* _i is the number of outputs: it must not change those that are made, nor touch the others. */
START_TEST(hkdf_matches_reference)
{
    uint8_t chaining_key[HASH_BYTES], input[32], out[3][64], untouched[64];
    size_t outputs = (size_t)_i;

    fill_counting(chaining_key, sizeof(chaining_key), 0);
    fill_counting(input, sizeof(input), 100);
    memset(out, 0xee, sizeof(out));
    memset(untouched, 0xee, sizeof(untouched));
    hash_hkdf(out, outputs, chaining_key, input, sizeof(input));
    for (size_t i = 0; i < 3; i++) {
        if (i < outputs)
            assert_hex(out[i], 64, hkdf_of_input[i]);
        else
            ck_assert_mem_eq(out[i], untouched, sizeof(untouched));
    }
    hash_hkdf(out, outputs, chaining_key, NULL, 0);
    for (size_t i = 0; i < 3 && i < outputs; i++)
        assert_hex(out[i], 64, hkdf_of_nothing[i]);
}
END_TEST

/* Wherever the input is cut, the joined halves give what the whole gives. */
START_TEST(hkdf_joined_equals_whole)
{
    uint8_t chaining_key[HASH_BYTES], input[32], out[3][64];
    size_t cut = (size_t)_i;

    fill_counting(chaining_key, sizeof(chaining_key), 0);
    fill_counting(input, sizeof(input), 100);
    hash_hkdf_joined(out, 3, chaining_key, input, cut, input + cut, sizeof(input) - cut);
    for (size_t i = 0; i < 3; i++)
        assert_hex(out[i], 64, hkdf_of_input[i]);
}
END_TEST

/* As Noise uses it: the first output replaces the chaining key. */
START_TEST(hkdf_output_may_replace_chaining_key)
{
    uint8_t input[32], out[2][64];

    fill_counting(out[0], 64, 0);
    fill_counting(input, sizeof(input), 100);
    hash_hkdf(out, 2, out[0], input, sizeof(input));
    assert_hex(out[0], 64, hkdf_of_input[0]);
    assert_hex(out[1], 64, hkdf_of_input[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("hash");
    TCase *tc = tcase_create("hash");
    SRunner *runner = srunner_create(suite);
    int failed;

    tcase_add_loop_test(tc, hmac_matches_reference, 0, sizeof(hmac_rows) / sizeof(hmac_rows[0]));
    tcase_add_loop_test(tc, hkdf_matches_reference, 1, 4);
    tcase_add_loop_test(tc, hkdf_joined_equals_whole, 0, 33);
    tcase_add_test(tc, hkdf_output_may_replace_chaining_key);
    suite_add_tcase(suite, tc);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
