#include "queue/s3_xml.h"
#include "tests/unit/test.h"

static struct s3_list list;
static struct arena arena;

static int with_arena(void **state)
{
    (void)state;
    arena = arena_new(65536);
    return 0;
}

static int release_arena(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static void assert_no_list(const char *xml, enum error_code code)
{
    struct error err;
    arena_release(&arena);
    assert_false(s3_xml_list(text_from(xml), &arena, &list, &err));
    assert_int_equal(err.code, code);
}

static void test_s3_xml__reads_a_page_and_where_it_goes_on(void **state)
{
    (void)state;
    struct error err;
    const char *xml =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>docs</Name>"
        "<Prefix>users%2F</Prefix><KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys>"
        "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated>"
        "<NextContinuationToken>abc==</NextContinuationToken>"
        "<Contents><Key>users/1/a+b%2Bc%C3%A9.pdf</Key>"
        "<LastModified>2015-08-30T12:36:00.000Z</LastModified><ETag>&quot;0f&quot;</ETag>"
        "<Size>7</Size><Owner><ID>x</ID></Owner><StorageClass>STANDARD</StorageClass></Contents>"
        "<Contents><Key>users/2/b%0A.pdf</Key><LastModified>2015-08-30T12:36:01Z</LastModified>"
        "<ETag>\"1f-2\"</ETag><Size>0</Size></Contents></ListBucketResult>";
    assert_true(s3_xml_list(text_from(xml), &arena, &list, &err));
    assert_int_equal(list.entry_count, 2);
    assert_text(list.entries[0].key, "users/1/a b+c\xc3\xa9.pdf");
    assert_text(list.entries[0].etag, "0f");
    assert_int_equal(list.entries[0].size_bytes, 7);
    assert_int_equal(list.entries[0].modified_ms, 1440938160000u);
    assert_text(list.entries[1].key, "users/2/b\n.pdf");
    assert_text(list.entries[1].etag, "1f-2");
    assert_text(list.next_token, "abc==");
}

static void test_s3_xml__leaves_keys_alone_that_are_not_encoded(void **state)
{
    (void)state;
    struct error err;
    const char *xml = "<ListBucketResult><IsTruncated>false</IsTruncated>"
                      "<Contents><Key>a+b%2B&amp;.pdf</Key></Contents></ListBucketResult>";
    assert_true(s3_xml_list(text_from(xml), &arena, &list, &err));
    assert_int_equal(list.entry_count, 1);
    assert_text(list.entries[0].key, "a+b%2B&.pdf");
    assert_int_equal(list.next_token.bytes, 0);
}

static void test_s3_xml__an_empty_page_is_a_list(void **state)
{
    (void)state;
    struct error err;
    assert_true(s3_xml_list(TEXT("<ListBucketResult/>"), &arena, &list, &err));
    assert_int_equal(list.entry_count, 0);
}

static void test_s3_xml__refuses_what_is_no_list(void **state)
{
    (void)state;
    assert_no_list("", ERR_PROTOCOL);
    assert_no_list("<html><body>hello</body></html>", ERR_PROTOCOL);
    assert_no_list("<Error><Code>SlowDown</Code></Error>", ERR_PROTOCOL);
    assert_no_list("<ListBucketResult><Contents>", ERR_PROTOCOL);
    assert_no_list("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
                   ERR_PROTOCOL);
    assert_no_list("<ListBucketResult><Contents><Size>1</Size></Contents></ListBucketResult>",
                   ERR_PROTOCOL);
    assert_no_list("<ListBucketResult><Contents><Key>a</Key><Size>-1</Size></Contents>"
                   "</ListBucketResult>",
                   ERR_PROTOCOL);
    assert_no_list("<a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a></a>", ERR_PROTOCOL);
}

static void test_s3_xml__refuses_document_types(void **state)
{
    (void)state;
    assert_no_list("<!DOCTYPE l [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]>"
                   "<ListBucketResult><Name>&b;</Name></ListBucketResult>",
                   ERR_PROTOCOL);
    struct s3_fault fault;
    assert_false(s3_xml_fault(TEXT("<!DOCTYPE Error SYSTEM \"file:///etc/passwd\">"
                                   "<Error><Code>NoSuchKey</Code></Error>"),
                              &fault));
}

static void test_s3_xml__keeps_to_the_budget_of_the_arena(void **state)
{
    (void)state;
    arena = arena_new(4);
    assert_no_list("<ListBucketResult><Contents><Key>abcdefgh</Key></Contents>"
                   "</ListBucketResult>",
                   ERR_NO_MEMORY);
}

static void test_s3_xml__reads_errors(void **state)
{
    (void)state;
    struct s3_fault fault;
    assert_true(s3_xml_fault(TEXT("<?xml version=\"1.0\"?>\n<Error><Code>NoSuchKey</Code>"
                                  "<Message>The key does not exist.</Message><Key>k</Key>"
                                  "<Region>eu-west-1</Region></Error>"),
                             &fault));
    assert_string_equal(fault.code, "NoSuchKey");
    assert_string_equal(fault.message, "The key does not exist.");
    assert_string_equal(fault.region, "eu-west-1");
    assert_false(s3_xml_fault(TEXT("<html><Code>NoSuchKey</Code></html>"), &fault));
    assert_false(s3_xml_fault(TEXT("not XML"), &fault));
    assert_false(s3_xml_fault(TEXT_NONE, &fault));
}

#define IN_ARENA(test) cmocka_unit_test_setup_teardown(test, with_arena, release_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_ARENA(test_s3_xml__reads_a_page_and_where_it_goes_on),
        IN_ARENA(test_s3_xml__leaves_keys_alone_that_are_not_encoded),
        IN_ARENA(test_s3_xml__an_empty_page_is_a_list),
        IN_ARENA(test_s3_xml__refuses_what_is_no_list),
        IN_ARENA(test_s3_xml__refuses_document_types),
        IN_ARENA(test_s3_xml__keeps_to_the_budget_of_the_arena),
        IN_ARENA(test_s3_xml__reads_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
