// What every page must be: well-formed, and without a reference to anything outside of it.
#pragma once

#include <cctype>
#include <sstream>
#include <string>

#include <boost/property_tree/ptree.hpp>
#include <boost/property_tree/xml_parser.hpp>
#include <boost/test/unit_test.hpp>

namespace anemll::test {

/// Attributes of all elements, and the words that make a browser fetch something.
inline void check_references(const boost::property_tree::ptree& tree) {
  for (const auto& [name, below] : tree) {
    BOOST_TEST(name != "script");
    BOOST_TEST(name != "link");
    if (name == "<xmlattr>") {
      for (const auto& [attribute, value] : below) {
        const std::string text = value.data();
        BOOST_TEST((attribute != "src" && attribute != "srcset" && attribute != "style"),
                   attribute << "=" << text);
        BOOST_TEST(!attribute.starts_with("on"), attribute << "=" << text);
        if (attribute.ends_with("href")) BOOST_TEST(text.starts_with("#"), attribute << "=" << text);
      }
    }
    if (name == "style") {
      for (const char* word : {"url(", "@import", "@font-face", "http"})
        BOOST_TEST(below.data().find(word) == std::string::npos, word);
    }
    check_references(below);
  }
}

inline void check_page(const std::string& page) {
  BOOST_TEST(page.starts_with("<!DOCTYPE html>\n"));
  std::istringstream in(page);
  boost::property_tree::ptree tree;
  try {
    boost::property_tree::read_xml(in, tree);
  } catch (const boost::property_tree::xml_parser_error& error) {
    BOOST_ERROR("not well-formed: " << error.what());
    return;
  }
  check_references(tree);
  for (const char* word : {"=\"nan", "=\"-nan", "=\"inf", "=\"-inf", "nan,", ",nan", "inf,", ",inf"})
    BOOST_TEST(page.find(word) == std::string::npos, "a coordinate is no number: " << word);
}

}  // namespace anemll::test
