package com.github.aksess.clients;

import com.azure.core.exception.HttpResponseException;
import java.util.Objects;
import java.util.concurrent.Callable;

/**
 * The report that every program of these tests writes, whatever its language:
 * one line a check, "ok NAME" or "FAIL NAME: reason".
 */
final class Check {
    interface Body {
        void run() throws Exception;
    }

    static int failed;

    private Check() {
    }

    static void check(String name, Body body) {
        try {
            body.run();
            System.out.println("ok " + name);
        } catch (Throwable error) { // whatever it is, it is the check's failure
            failed++;
            System.out.println("FAIL " + name + ": " + withCauses(error).replaceAll("\\s+", " "));
        }
    }

    /** An error in words, and what it came from. */
    static String withCauses(Throwable error) {
        return error + (error.getCause() == null ? "" : "; because of " + withCauses(error.getCause()));
    }

    static void equal(String what, Object got, Object want) {
        if (!Objects.equals(got, want)) {
            throw new AssertionError(what + ": got " + got + ", want " + want);
        }
    }

    /** Expects an SDK's error with that status and code; the code may be an inner one of the body. */
    static void refused(int status, String code, Callable<?> call) throws Exception {
        Object got;
        try {
            got = call.call();
        } catch (HttpResponseException error) {
            String seen = error.getMessage() + " " + error.getResponse().getHeaders() + " " + error.getValue();
            if (error.getResponse().getStatusCode() != status || !seen.contains(code)) {
                throw new AssertionError("got " + error.getResponse().getStatusCode() + " " + seen + ", want " + status + " " + code, error);
            }
            return;
        }
        throw new AssertionError("got " + got + ", want " + status + " " + code);
    }
}
