#ifndef SPECULA_SHIM_EXEC_REPLY_H_
#define SPECULA_SHIM_EXEC_REPLY_H_

namespace specula::shim {

// How an EXEC is answered: the document has two forms.
enum class ExecReply {
  kStream,   // OUT …, OUT_END
  kSummary,  // EXEC_END alone; the output is thrown away
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_EXEC_REPLY_H_
