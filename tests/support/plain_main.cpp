// The main of one-process test programs; the module name in reports is the program's own.
#define BOOST_TEST_MODULE anemll
#include <boost/test/unit_test.hpp>
