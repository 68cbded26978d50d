// The stack machine of pickle protocol 2, cut down to what torch.save emits (Python's pickletools
// describes every opcode).
#include "src/formats/internal/limits.hpp"
#include "src/formats/internal/pickle.hpp"
#include "src/formats/internal/torch_objects.hpp"
#include "src/formats/utf8.hpp"

#include <bit>
#include <cmath>
#include <cstring>

namespace anemll::formats {
namespace {

enum Opcode : unsigned char {
  kProto = 0x80,
  kGlobal = 'c',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kMark = '(',
  kEmptyTuple = ')',
  kTuple = 't',
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kEmptyDict = '}',
  kSetItem = 's',
  kSetItems = 'u',
  kEmptyList = ']',
  kAppend = 'a',
  kAppends = 'e',
  kBinUnicode = 'X',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kLong1 = 0x8a,
  kBinFloat = 'G',
  kNone = 'N',
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kBinPersId = 'Q',
  kReduce = 'R',
  kBuild = 'b',
  kStop = '.'
};

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, const Complaint& complain)
      : reader_(bytes, complain, "pickle"), complain_(complain) {}

  PickleDocument run() {
    if (reader_.read<std::uint8_t>() != kProto || reader_.read<std::uint8_t>() != 2) {
      complain_("the pickle is not of protocol 2");
    }
    for (;;) {
      const auto opcode = reader_.read<std::uint8_t>();
      if (opcode == kStop) break;
      step(opcode);
    }
    if (stack_.size() != 1 || !marks_.empty()) complain_("the pickle ends with an unbalanced stack");
    document_.root = stack_.back();
    document_.consumed = reader_.position();
    return std::move(document_);
  }

 private:
  void step(std::uint8_t opcode) {
    switch (opcode) {
      case kNone:
        return push(NoneNode{});
      case kNewTrue:
        return push(true);
      case kNewFalse:
        return push(false);
      case kBinInt:
        return push(std::int64_t{reader_.read<std::int32_t>()});
      case kBinInt1:
        return push(std::int64_t{reader_.read<std::uint8_t>()});
      case kBinInt2:
        return push(std::int64_t{reader_.read<std::uint16_t>()});
      case kLong1:
        return push(long_integer());
      case kBinFloat:
        return push(big_endian_double());
      case kBinUnicode:
        return push(text());
      case kGlobal:
        return push(global());
      case kEmptyList:
        return push(SequenceNode{});
      case kEmptyDict:
        return push(DictNode{});
      case kEmptyTuple:
        return push(SequenceNode{{}, true});
      case kTuple1:
        return push_tuple(take_top(1));
      case kTuple2:
        return push_tuple(take_top(2));
      case kTuple3:
        return push_tuple(take_top(3));
      case kTuple:
        return push_tuple(take_to_mark());
      case kMark:
        return mark();
      case kAppend:
        return append(take_top(1));
      case kAppends:
        return append(take_to_mark());
      case kSetItem:
        return set_items(take_top(2));
      case kSetItems:
        return set_items(take_to_mark());
      case kBinPut:
        return put(reader_.read<std::uint8_t>());
      case kLongBinPut:
        return put(reader_.read<std::uint32_t>());
      case kBinGet:
        return get(reader_.read<std::uint8_t>());
      case kLongBinGet:
        return get(reader_.read<std::uint32_t>());
      case kReduce:
        return reduce();
      case kBuild:
        return build();
      case kBinPersId:
        return persistent();
      default:
        complain_("the pickle has the opcode " + std::to_string(opcode) +
                  ", which torch.save does not write");
    }
  }

  void push(Node node) {
    if (document_.nodes.size() == kMaxPickleNodes) {
      complain_("the pickle has more than " + std::to_string(kMaxPickleNodes) + " objects");
    }
    stack_.push_back(static_cast<NodeId>(document_.nodes.size()));
    document_.nodes.push_back(std::move(node));
  }

  /// Objects above the innermost mark may be used, those below may not.
  std::size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }

  NodeId top() const {
    if (stack_.size() <= floor()) complain_("the pickle uses an empty stack");
    return stack_.back();
  }
  std::vector<NodeId> take_top(std::size_t count) {
    if (stack_.size() - floor() < count) complain_("the pickle uses an empty stack");
    std::vector<NodeId> items(stack_.end() - static_cast<std::ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return items;
  }
  std::vector<NodeId> take_to_mark() {
    if (marks_.empty()) complain_("the pickle misses a mark");
    std::vector<NodeId> items = take_top(stack_.size() - marks_.back());
    marks_.pop_back();
    return items;
  }
  void mark() {
    if (marks_.size() == kMaxOpenMarks) complain_("the pickle is nested too deeply");
    marks_.push_back(stack_.size());
  }

  void push_tuple(std::vector<NodeId> items) { push(SequenceNode{std::move(items), true}); }

  /// References are cheap to write (two bytes), so they count as objects as well.
  void count_references(std::size_t count) {
    references_ += count;
    if (references_ > kMaxPickleNodes) complain_("the pickle has too many references");
  }

  void append(const std::vector<NodeId>& items) {
    count_references(items.size());
    auto* list = std::get_if<SequenceNode>(&document_.nodes[top()]);
    if (list == nullptr || list->tuple) complain_("the pickle appends to something that is not a list");
    list->items.insert(list->items.end(), items.begin(), items.end());
  }

  void set_items(const std::vector<NodeId>& items) {
    count_references(items.size());
    auto* dict = std::get_if<DictNode>(&document_.nodes[top()]);
    if (dict == nullptr) complain_("the pickle sets items of something that is not a dictionary");
    if (items.size() % 2 != 0) complain_("the pickle has a dictionary key without a value");
    for (std::size_t i = 0; i < items.size(); i += 2) dict->items.emplace_back(items[i], items[i + 1]);
  }

  void put(std::uint32_t slot) { memo_[slot] = top(); }
  void get(std::uint32_t slot) {
    const auto it = memo_.find(slot);
    if (it == memo_.end()) complain_("the pickle refers to an object that it does not contain");
    count_references(1);
    stack_.push_back(it->second);
  }

  void reduce() {
    const std::vector<NodeId> call = take_top(2);
    push(call_global(document_, call[0], call[1], complain_));
  }
  void persistent() {
    const NodeId id = take_top(1)[0];
    push(find_storage(document_, id, complain_));
  }
  /// state_dict() attaches module versions to its OrderedDict this way; they mean nothing here.
  void build() {
    take_top(1);
    const auto* dict = document_.get<DictNode>(top());
    if (dict == nullptr || !dict->ordered)
      complain_("the pickle sets the state of something that is not an OrderedDict");
  }

  std::int64_t long_integer() {
    const std::span<const std::byte> bytes = reader_.take(reader_.read<std::uint8_t>());
    if (bytes.size() > sizeof(std::int64_t)) complain_("the pickle has an integer of more than 64 bits");
    if (bytes.empty()) return 0;
    // Little-endian two's complement of any length: start from the sign.
    const bool negative = (bytes.back() & std::byte{0x80}) != std::byte{0};
    std::int64_t value = negative ? -1 : 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  double big_endian_double() {
    return std::bit_cast<double>(__builtin_bswap64(reader_.read<std::uint64_t>()));
  }
  std::string text() {
    const std::string_view view = reader_.text(reader_.read<std::uint32_t>());
    if (!is_utf8(view)) complain_("the pickle has a string that is not UTF-8");
    return std::string(view);
  }
  std::string_view line() {
    std::size_t length = 0;
    ByteReader ahead = reader_;
    while (ahead.read<char>() != '\n') {
      if (++length > kMaxGlobalName) complain_("the pickle has a global name without an end");
    }
    const std::string_view name = reader_.text(length);
    reader_.skip(1);
    return name;
  }
  Node global() {
    const std::string_view module = line();
    const std::string_view name = line();
    return find_global(document_, module, name, complain_);
  }

  ByteReader reader_;
  const Complaint& complain_;
  PickleDocument document_;
  std::vector<NodeId> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint32_t, NodeId> memo_;
  std::size_t references_ = 0;
};

}  // namespace

PickleDocument parse_pickle(std::span<const std::byte> bytes, const Complaint& complain) {
  return Machine(bytes, complain).run();
}

}  // namespace anemll::formats
